"""How another library stores a weight of ours, in both directions."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Layout(NamedTuple):
    """Turns their arrays into one of ours, and back.

    `to_theirs` is None where there is no way back.
    """

    to_ours: Callable[..., np.ndarray]
    to_theirs: Callable[[np.ndarray], tuple[np.ndarray, ...]] | None


class Weight(NamedTuple):
    """A weight of ours, by its path below the method, and the names of what it is made of."""

    ours: str
    theirs: tuple[str, ...]
    layout: Layout


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _composed(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """PyTorch's [E, H] and [H, D] -> the kernel [D, E] of both in sequence."""
    return (second.astype(np.float64) @ first).T.astype(np.float32)


def _composed_bias(weight: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[E, H], and the biases [H] and [E] -> that of both layers in sequence, [E]."""
    return (weight.astype(np.float64) @ first + second).astype(np.float32)


def _joined_kernel(*weights: np.ndarray) -> np.ndarray:
    """PyTorch's [D, D] for each of queries, keys and values -> [D, 3 D]."""
    return np.concatenate(weights).T


SAME = Layout(_same, lambda array: (array,))
LINEAR = Layout(np.transpose, lambda kernel: (kernel.T,))  # PyTorch's [out, in]
CONVOLUTION = Layout(  # PyTorch's [out, in, height, width]
    lambda weight: weight.transpose(2, 3, 1, 0), lambda kernel: (kernel.transpose(3, 2, 0, 1),)
)
SCALAR = Layout(lambda array: array.reshape(()), lambda scalar: (scalar.reshape(()),))
JOINED = Layout(_joined_kernel, lambda kernel: tuple(np.split(kernel.T, 3)))
JOINED_BIAS = Layout(lambda *biases: np.concatenate(biases), lambda bias: tuple(np.split(bias, 3)))
COMPOSED = Layout(_composed, None)
COMPOSED_BIAS = Layout(_composed_bias, None)


def rows(order: np.ndarray, transposed: bool = False) -> Layout:
    """A table of which our row i is their row `order[i]`.

    Args:
        order: int [N], a permutation.
        transposed: whether ours is the kernel [D, N] of a layer with their weight [N, D].
    """
    back = np.argsort(order)
    if transposed:
        return Layout(lambda weight: weight[order].T, lambda kernel: (kernel.T[back],))
    return Layout(lambda table: table[order], lambda table: (table[back],))


def with_mask_row() -> Layout:
    """A token embedding without a mask token: ours has one row more, the mean of the others."""
    return Layout(
        lambda table: np.concatenate([table, table.mean(axis=0, keepdims=True)]),
        lambda table: (table[:-1],),
    )


def heads_in(heads: int) -> Layout:
    """Keras's [D, heads, D / heads] for each of queries, keys and values; ours is [D, 3 D]."""
    return Layout(
        lambda *kernels: np.concatenate([k.reshape(len(k), -1) for k in kernels], axis=1),
        lambda kernel: tuple(
            part.reshape(len(part), heads, -1) for part in np.split(kernel, 3, axis=1)
        ),
    )


def heads_bias(heads: int) -> Layout:
    """Keras's [heads, D / heads] for each of queries, keys and values; ours is [3 D]."""
    return Layout(
        lambda *biases: np.concatenate([b.reshape(-1) for b in biases]),
        lambda bias: tuple(part.reshape(heads, -1) for part in np.split(bias, 3)),
    )


def heads_out(heads: int) -> Layout:
    """Keras's [heads, D / heads, D] of the output; ours is [D, D]."""
    return Layout(
        lambda kernel: kernel.reshape(-1, kernel.shape[-1]),
        lambda kernel: (kernel.reshape(heads, -1, kernel.shape[-1]),),
    )
