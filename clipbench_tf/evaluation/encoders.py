"""The protocol through which a model is evaluated, in memory or as a SavedModel."""

from typing import Protocol

import tensorflow as tf

Representation = dict[str, tf.Tensor]  # named tensors with the same first axis


class Encoders(Protocol):
    """What an evaluator needs of a model."""

    @property
    def feature_kind(self) -> str:
        """What `image_features` returns: "pooled", before the projection, or "embedding"."""

    def represent_images(self, encoded: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        """String [B] -> tensors [B, ...], and bool [B]: false where the bytes are no image."""

    def represent_classes(self, prompts: tf.Tensor) -> Representation:
        """String [C, T], the T prompts of each class -> tensors [C, ...]."""

    def score(self, images: Representation, classes: Representation) -> tf.Tensor:
        """Similarities of pictures to texts, float32 [B, C]."""

    def score_texts(self, classes: Representation, images: Representation) -> tf.Tensor:
        """Similarities of texts to pictures, float32 [C, B]."""

    def image_features(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """String [B] -> float32 [B, D] for probes, and bool [B]: false where there is no image."""
