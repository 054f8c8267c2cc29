"""Measures the sides of a comparison in turns, each in its own process."""
