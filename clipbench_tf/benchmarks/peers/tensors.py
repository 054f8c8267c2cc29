"""What the models of PyTorch get, and their precision."""

import contextlib

import torch

SIZE = 224
_MEAN, _STD = 0.45, 0.27  # about those that CLIP normalises pictures with


def autocast(precision: str) -> contextlib.AbstractContextManager:
    """A context of autocast for "bfloat16", without effect for "float32"."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")


def pixels(count: int) -> torch.Tensor:
    """float32 [count, 3, 224, 224], normalised."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(count, 3, SIZE, SIZE, generator=generator) - _MEAN) / _STD
