"""Equation 4 as it is written, in PyTorch, as it is and compiled by torch.compile."""

from collections.abc import Callable

import torch

PATCHES, WIDTH = 49, 256  # of `samples.tokens`


def similarity(
    batch: int, texts: int, words: int, precision: str, compiled: bool, device: str
) -> Callable[[], object]:
    """A function that computes the mean of maxima of all cosines, and both gradients."""
    torch.set_float32_matmul_precision("high")  # TF32, as XLA's products in float32
    draw = torch.Generator(device).manual_seed(0)
    kind = getattr(torch, precision)

    def tokens(items: int, count: int) -> torch.Tensor:
        drawn = torch.randn(items, count, WIDTH, generator=draw, device=device)
        unit = torch.nn.functional.normalize(drawn, dim=-1)
        return unit.to(kind).requires_grad_()

    images, keys = tokens(batch, PATCHES), tokens(texts, words)
    upstream = torch.randn(batch, texts, generator=draw, device=device)

    def value(images: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        cosines = torch.einsum("ipd,twd->itpw", images, keys)
        similarity = cosines.max(dim=3).values.mean(dim=2)
        return (similarity.float() * upstream).sum()

    chosen = torch.compile(value, dynamic=False) if compiled else value
    return lambda: torch.autograd.grad(chosen(images, keys), [images, keys])
