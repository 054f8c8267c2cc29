"""Normalisation of pixels."""

from collections.abc import Sequence

import keras
import tensorflow as tf

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))  # OpenAI's


class Normalize(keras.layers.Layer):
    """Subtracts a mean and divides by a standard deviation, per channel.

    Call shape: uint8 or float [..., 3] in 0..255 -> compute dtype [..., 3].

    Args:
        mean, std: of pixels in 0..1. ImageNet's, as in the paper's released code; weights that
            OpenAI published expect `CLIP`.
    """

    def __init__(
        self,
        *,
        mean: Sequence[float] = IMAGENET[0],
        std: Sequence[float] = IMAGENET[1],
        name: str = "normalize",
    ) -> None:
        super().__init__(name=name, autocast=False)
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(
                f"mean {tuple(mean)} and std {tuple(std)} must be three numbers each, std above 0."
            )
        self.mean, self.std = tuple(mean), tuple(std)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        scale = 1.0 / (255.0 * tf.constant(self.std))
        shift = tf.constant(self.mean) / tf.constant(self.std)
        return tf.cast(tf.cast(images, tf.float32) * scale - shift, self.compute_dtype)
