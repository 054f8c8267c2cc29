"""Speed and memory of this package and of its peers in the same run (scripts/benchmark.py)."""
