"""Captions without their padding: what works on one position at a time skips what follows the end.

Of captions of the web, which have 17 ids on average, a batch that is as long as its longest caption
is mostly padding. No result of a causal tower depends on padding. So norms, products and
activations run over the positions up to each end token, one caption behind the other, [N, D], and
only attention sees rows of equal length, [B, L, D].
"""

import math
from collections.abc import Callable

import tensorflow as tf

_STEPS = 16  # numbers of rows between one power of two and the next


class Packing:
    """Where the positions of a batch [B, L] lie among the N that are kept.

    Some padding is kept with them, so that N takes few values: whatever is compiled is compiled for
    each of them.

    Args:
        needed: bool [B, L], the positions to keep.

    Attributes:
        length: int32 scalar, L.
    """

    def __init__(self, needed: tf.Tensor) -> None:
        self.length = tf.shape(needed)[1]
        flat = tf.reshape(needed, [-1])
        places, others = (tf.cast(tf.where(x)[:, 0], tf.int32) for x in (flat, ~flat))
        count = tf.shape(places)[0]
        self._places = tf.concat([places, others[: rounded(count) - count]], axis=0)  # of B * L
        count = tf.shape(self._places)[0]
        # [B * L], of N + 1: the last is a row of zeros.
        self._slots = tf.tensor_scatter_nd_update(
            tf.fill(tf.shape(flat), count), self._places[:, None], tf.range(count)
        )

    @property
    def columns(self) -> tf.Tensor:
        """int32 [N]: of each kept position, its place in its caption."""
        return self._places % self.length

    # Each is the other's gradient: two look-ups, where TensorFlow's own gradient of a look-up adds
    # row by row.

    def pack(self, x: tf.Tensor) -> tf.Tensor:
        """[B * L, ...] -> [N, ...], what is kept."""

        @tf.custom_gradient
        def kept(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            return tf.gather(x, self._places), self.unpack

        return kept(x)

    def unpack(self, x: tf.Tensor) -> tf.Tensor:
        """[N, D] -> [B * L, D], zero where nothing was kept."""

        @tf.custom_gradient
        def padded(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            return tf.gather(tf.pad(x, [[0, 1], [0, 0]]), self._slots), self.pack

        return padded(x)


def rounded(count: tf.Tensor) -> tf.Tensor:
    """int32 scalar: `count`, rounded up to one of 16 numbers between powers of two."""
    octave = tf.math.floor(tf.math.log(tf.cast(tf.maximum(count, 1), tf.float64)) / math.log(2))
    step = tf.maximum(tf.cast(2**octave, tf.int32) // _STEPS, 1)
    return -(-count // step) * step
