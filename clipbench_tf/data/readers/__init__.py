"""Readers: image-text pairs in the forms that people have, by part and number."""
