"""FILIP's token-wise similarity (equation 4) and its parts."""
