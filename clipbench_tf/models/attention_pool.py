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
        query = tf.einsum("bhd,chd->bhc", q, self._by_head(self.k_proj.kernel, q.dtype))
        shift = tf.einsum("bhd,hd->bh", q, self._by_head(self.k_proj.bias, q.dtype))
        logits = tf.matmul(query, x, transpose_b=True) + shift[..., None]
        weights = tf.cast(tf.nn.softmax(tf.cast(logits, tf.float32)), x.dtype)
        summed = tf.matmul(weights, x)
        pooled = tf.einsum("bhc,chd->bhd", summed, self._by_head(self.v_proj.kernel, x.dtype))
        return tf.reshape(pooled, [-1, self.width]) + tf.cast(self.v_proj.bias, x.dtype)

    def _by_head(self, weights: keras.Variable, dtype: tf.DType) -> tf.Tensor:
        """[..., width] -> [..., heads, width / heads]."""
        shape = [*weights.shape[:-1], self.heads, self.width // self.heads]
        return tf.reshape(tf.cast(weights, dtype), shape)
