"""The side that others stand for, on PyTorch, transformers or Pillow, each in its own process."""
