"""clipbench_tf: train and compare CLIP, SLIP, FILIP, DeCLIP and DeFILIP under one recipe."""

__version__ = "0.9.1"
