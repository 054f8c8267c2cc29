"""Attention pooling of a feature map, as in CLIP's ResNets (Radford et al. 2021, section 2.4)."""

import keras
import tensorflow as tf

from clipbench_tf.models.transformer import normal, torch_uniform


class AttentionPool(keras.layers.Layer):
    """The mean of the map asks, the mean and every position of the map answer.

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
            keras.layers.Dense(
                width,
                kernel_initializer=normal(width**-0.5),
                bias_initializer=torch_uniform(width),
                name=projection,
            )
            for projection in ("q_proj", "k_proj", "v_proj")
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.positional_embedding = self.add_weight(
            (self.positions + 1, self.width), normal(self.width**-0.5), name="positional_embedding"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.concat([tf.reduce_mean(x, axis=1, keepdims=True), x], axis=1)
        x += tf.cast(self.positional_embedding, x.dtype)
        head = self.width // self.heads
        by_head = [-1, self.positions + 1, self.heads, head]
        q = tf.reshape(self.q_proj(x[:, 0]), [-1, self.heads, head]) * head**-0.5
        k, v = tf.reshape(self.k_proj(x), by_head), tf.reshape(self.v_proj(x), by_head)
        logits = tf.cast(tf.einsum("bhd,blhd->bhl", q, k), tf.float32)
        pooled = tf.einsum("bhl,blhd->bhd", tf.cast(tf.nn.softmax(logits), v.dtype), v)
        return tf.reshape(pooled, [-1, self.width])
