"""The signature `align`: which patches of a picture answer to which pieces of a text.

image, string [B], and text, string [B] ->

- cosines, float32 [B, P, L], of each patch (row by row) and each position of the text;
- spelling, string [B, L], what the pieces up to and with this position spell together, so that a
  client finds the words without a tokenizer; "" for start, end and padding;
- valid, bool [B], false where the bytes are no image.
"""

import math

import tensorflow as tf
from tensorflow.types.experimental import ConcreteFunction

from clipbench_tf.evaluation import pictures
from clipbench_tf.evaluation.alignment import token_objective
from clipbench_tf.evaluation.method_encoders import MethodEncoders

NAME = "align"


def signatures(encoders: MethodEncoders) -> dict[str, ConcreteFunction]:
    """`align` by its name; nothing if the method has no heads for tokens, or no square grid."""
    objective = token_objective(encoders)
    if objective is None:
        return {}

    def align(image: tf.Tensor, text: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels, valid = pictures.decode(
            image, encoders.image_size, encoders.resize, encoders.interpolation
        )
        images, texts = encoders.images(pixels), encoders.texts(text)
        with encoders.precision():
            patches, pieces = objective.image_tokens(images), objective.text_tokens(texts)[0]
        cosines = tf.einsum("bpd,bld->bpl", patches, pieces)
        return {"cosines": cosines, "spelling": _spelling(encoders, text, texts.mask)} | {
            "valid": valid
        }

    strings = (
        tf.TensorSpec([None], tf.string, name="image"),
        tf.TensorSpec([None], tf.string, name="text"),
    )
    function = tf.function(align, autograph=False).get_concrete_function(*strings)
    patches = function.structured_outputs["cosines"].shape[1]
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
