"""The tensors of checkpoints that others wrote, without PyTorch and without running any code."""
