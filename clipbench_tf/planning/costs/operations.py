"""What a part of a training step computes and holds, on one replica."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of one part of a step; those of several parts are added.

    Attributes:
        forward: floating-point operations of matrix products and convolutions in the forward
            pass; a product [m, k] x [k, n] is 2 m k n of them.
        backward: the same in the backward pass, with the forward pass of recomputed layers.
        saved: bytes of activations that the forward pass leaves for the backward pass.
        working: bytes of temporary buffers. A sum is an upper bound, for the case that
            TensorFlow's executor runs independent parts at the same time.
        moved: bytes that all operations but products read and write, forward and backward, if
            each reads its inputs from memory and writes its outputs there.
        narrow_weights: bytes of copies of weights in a lower precision.
    """

    forward: float = 0.0
    backward: float = 0.0
    saved: float = 0.0
    working: float = 0.0
    moved: float = 0.0
    narrow_weights: float = 0.0

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in _FIELDS})

    def times(self, count: float) -> "Costs":
        """The costs of `count` such parts."""
        return Costs(**{f.name: count * getattr(self, f.name) for f in _FIELDS})


_FIELDS = dataclasses.fields(Costs)

# Bytes that all operations but products move for each byte saved, in the forward and the backward
# pass, by bytes of the compute dtype: counted in graphs of the towers, not timed
# (tests/planning/test_towers_and_signals.py).
PASSES = {
    "transformer": {4: (4.1, 3.3), 2: (5.6, 4.1)},
    "resnet": {4: (3.1, 3.5), 2: (3.8, 4.8)},
    "resnet_float32_norms": {2: (5.6, 6.4)},
    "objective": {4: (5.9, 6.6)},
}


def product(
    rows: float, inner: float, columns: float, *, weight_bytes: int = 4, gradients: int = 2
) -> Costs:
    """[rows, inner] times a weight [inner, columns]; callers add what is saved.

    Args:
        weight_bytes: bytes of a number in the product; the weight itself is float32.
        gradients: 2 for those of rows and weight, 1 for the weight's only, 0 for none.
    """
    operations = 2.0 * rows * inner * columns
    copy = inner * columns * weight_bytes if weight_bytes < 4 and gradients == 2 else 0
    return Costs(forward=operations, backward=gradients * operations, narrow_weights=copy)
