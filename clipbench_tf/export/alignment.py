"""The signature `align`: which patches of a picture answer to which pieces of a text.

image, string [B], and text, string [B] ->

- cosines, float32 [B, P, L], of each patch (row by row) and each position of the text;
- spelling, string [B, L], what the pieces up to and with this position spell together, so that a
  client finds the words without a tokenizer; "" for start, end and padding;
- valid, bool [B], false where the bytes are no image.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from clipbench_tf.evaluation.alignment import token_objective
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.features import ImageFeatures, TextFeatures

NAME = "align"


def signatures(
    encoders: MethodEncoders,
    images: Callable[[tf.Tensor], tuple[ImageFeatures, tf.Tensor]],
    texts: Callable[[tf.Tensor], TextFeatures],
    traced: Callable[[Callable, Sequence[tf.TensorSpec]], Any],
) -> dict[str, Any]:
    """`align` by its name; nothing if the method has no heads for tokens, or no square grid.

    Args:
        encoders: the model.
        images: string [B] -> features of the pictures, and bool [B], which ones are valid.
        texts: string [B] -> features.
        traced: makes a tf.function of a Python function and the specs of its inputs.
    """
    objective = token_objective(encoders)
    if objective is None:
        return {}

    def align(image: tf.Tensor, text: tf.Tensor) -> dict[str, tf.Tensor]:
        pictures, valid = images(image)
        captions = texts(text)
        patches = objective.image_tokens(pictures)
        pieces = objective.text_tokens(captions)[0]
        cosines = tf.einsum("bpd,bld->bpl", patches, pieces)
        spelling = _spelling(encoders, text, captions.mask)
        return {"cosines": cosines, "spelling": spelling, "valid": valid}

    function = traced(align, [tf.TensorSpec([None], tf.string, name=n) for n in ("image", "text")])
    patches = function.get_concrete_function().structured_outputs["cosines"].shape[1]
    return {NAME: function} if patches == math.isqrt(patches) ** 2 else {}


def _spelling(encoders: MethodEncoders, text: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """What the pieces of each text spell up to each position, string [B, L]."""
    count, length = tf.unstack(tf.shape(mask))
    ids = encoders.tokenizer(text)[:, :length]
    until = tf.sequence_mask(tf.range(1, length + 1), length)  # [L, L]
    kept = tf.reshape(mask[:, tf.newaxis] & until, [-1, length])
    rows = tf.ragged.boolean_mask(tf.repeat(ids, length, axis=0), kept)
    spelt = tf.reshape(encoders.tokenizer.spell(rows), [count, length])
    return tf.where(mask, spelt, "")
