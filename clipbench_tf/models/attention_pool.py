"""Attention pooling of a feature map, as in CLIP's ResNets (Radford et al. 2021, section 2.4)."""

import keras
import tensorflow as tf

from clipbench_tf.models.layers.dense import Dense
from clipbench_tf.models.transformer import normal, torch_uniform


class AttentionPool(keras.layers.Layer):
    """Attention with one query, the map's mean; keys and values are the mean and all positions.

    Call shape: [B, positions, width] -> [B, width], the joined heads before any projection.

    Raises:
        ValueError: if `width` is not a multiple of `heads`.
    """

    def __init__(self, *, positions: int, width: int, heads: int, name: str) -> None:
        super().__init__(name=name)
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}.")
        self.positions, self.width, self.heads = positions, width, heads
        self.q_proj, self.k_proj, self.v_proj = (
            Dense(
                width,
                kernel_initializer=normal(width**-0.5),
                bias_initializer=torch_uniform(width),
                name=projection,
            )
            for projection in ("q_proj", "k_proj", "v_proj")
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for projection in (self.q_proj, self.k_proj, self.v_proj):
            projection.build((None, self.width))
        self.positional_embedding = self.add_weight(
            (self.positions + 1, self.width), normal(self.width**-0.5), name="positional_embedding"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.concat([tf.reduce_mean(x, axis=1, keepdims=True), x], axis=1)
        x += tf.cast(self.positional_embedding, x.dtype)
        head = self.width // self.heads
        q = tf.reshape(self.q_proj(x[:, 0]), [-1, self.heads, head]) * head**-0.5
        # The single query is multiplied by the key kernel, and positions are summed before they are
        # multiplied by the value kernel: both products cost as much for all positions as for one.
        # Heads come first in them: by `einsum` they take twice as long on a CPU.
        key, value = (self._by_head(p.kernel, x.dtype) for p in (self.k_proj, self.v_proj))
        query = _swapped(tf.matmul(_swapped(q), key, transpose_b=True))
        bias = tf.reshape(tf.cast(self.k_proj.bias, q.dtype), [self.heads, head])
        logits = tf.matmul(query, x, transpose_b=True) + tf.reduce_sum(q * bias, -1, True)
        weights = tf.cast(tf.nn.softmax(tf.cast(logits, tf.float32)), x.dtype)
        pooled = _swapped(tf.matmul(_swapped(tf.matmul(weights, x)), value))
        return tf.reshape(pooled, [-1, self.width]) + tf.cast(self.v_proj.bias, x.dtype)

    def _by_head(self, kernel: keras.Variable, dtype: tf.DType) -> tf.Tensor:
        """[width, width] -> [heads, width, width / heads]."""
        parts = tf.reshape(tf.cast(kernel, dtype), [self.width, self.heads, -1])
        return _swapped(parts)


def _swapped(x: tf.Tensor) -> tf.Tensor:
    """[A, B, C] -> [B, A, C]."""
    return tf.transpose(x, [1, 0, 2])
