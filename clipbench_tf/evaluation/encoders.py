"""The protocol through which a model is evaluated, in memory or as a SavedModel."""

from typing import Protocol

import tensorflow as tf

Representation = dict[str, tf.Tensor]  # named tensors with the same first axis


class Encoders(Protocol):
    """What an evaluator needs of a model."""

    def represent_images(self, encoded: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        """String [B] -> tensors [B, ...], and bool [B]: false where the bytes are no image."""

    def represent_classes(self, prompts: tf.Tensor) -> Representation:
        """String [C, T], the T prompts of each class -> tensors [C, ...]."""

    def score(self, images: Representation, classes: Representation) -> tf.Tensor:
        """Similarities, float32 [B, C]."""
