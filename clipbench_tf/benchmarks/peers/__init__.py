"""The peer's side of each benchmark, on PyTorch, transformers or Pillow, in its own process."""
