"""Normalisation of pixels."""

import keras
import tensorflow as tf


class Normalize(keras.layers.Layer):
    """Subtracts ImageNet's mean and divides by its standard deviation, per channel.

    Call shape: uint8 or float [..., 3] in 0..255 -> compute dtype [..., 3]. As the paper's released
    code does: ImageNet's statistics, not CLIP's.
    """

    MEAN = (0.485, 0.456, 0.406)
    STD = (0.229, 0.224, 0.225)

    def __init__(self, name: str = "normalize") -> None:
        super().__init__(name=name, autocast=False)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        scale = 1.0 / (255.0 * tf.constant(self.STD))
        shift = tf.constant(self.MEAN) / tf.constant(self.STD)
        return tf.cast(tf.cast(images, tf.float32) * scale - shift, self.compute_dtype)
