"""The contract between the parts: what a batch holds, and what the towers return.

Shapes in letters: B batch, V image views, T text views, H and W pixels, P patches, L text
positions, D width of a tower, E width of the shared embedding space.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import tensorflow as tf


class Batch(TypedDict, total=False):
    """One batch as the pipeline yields it."""

    images: tf.Tensor  # uint8 [B, V, H, W, 3]
    ids: tf.Tensor  # int32 [B, T, L], padded to the longest; view 0 is the (masked) caption
    mlm_labels: tf.Tensor  # int32 [B, L]: the id that was masked in the caption, -100 elsewhere
    position: tf.Tensor  # int64 [B]: the position of each pair in the endless stream of records


class ImageFeatures(NamedTuple):
    """One view of a batch of images, encoded."""

    embedding: tf.Tensor  # [B, E] in the shared space, not normalised
    pooled: tf.Tensor  # [B, D] before the projection
    tokens: tf.Tensor  # [B, P, D] of the patches, class token excluded


class TextFeatures(NamedTuple):
    """One view of a batch of captions, encoded."""

    embedding: tf.Tensor  # [B, E] in the shared space, not normalised
    tokens: tf.Tensor  # [B, L, D] after the last norm; what follows the end has no meaning
    mask: tf.Tensor  # bool [B, L]: true for words, false for start, end and padding


class Features(NamedTuple):
    """The inputs of the objectives."""

    images: tuple[ImageFeatures, ...]  # one for each image view
    texts: tuple[TextFeatures, ...]  # one for each text view
    scale: tf.Tensor  # scalar, 1 / temperature
    mlm_labels: tf.Tensor | None = None  # int32 [B, L], for the masked text view


def unit(vectors: tf.Tensor, epsilon: float = 1e-12) -> tf.Tensor:
    """Scales the last axis of `vectors` [..., E] to length 1, in float32."""
    return tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=-1, epsilon=epsilon)


def by_view(encode: Callable[[tf.Tensor], Any], views: tf.Tensor) -> tuple[Any, ...]:
    """Runs `encode` once on `views` [B, V, ...], views joined; its named tuple, for each view."""
    count = views.shape[1]
    shape = tf.shape(views)
    # View-major, so that the split below is a slice.
    flat = tf.reshape(
        tf.experimental.numpy.swapaxes(views, 0, 1), tf.concat([[-1], shape[2:]], axis=0)
    )
    flat.set_shape([None, *views.shape[2:]])
    outputs = encode(flat)
    parts = [tf.split(output, count) for output in outputs]
    return tuple(type(outputs)(*part) for part in zip(*parts, strict=True))
