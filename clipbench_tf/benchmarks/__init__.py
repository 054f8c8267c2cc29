"""Speed and memory, ours and the peers', measured in the same run (scripts/benchmark.py)."""
