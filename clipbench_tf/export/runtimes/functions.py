"""The towers as functions of pixels and ids, for runtimes that decode and tokenize elsewhere.

Both return a dict: "embedding", float32 [B, E] of unit length, and what the scorer compares if that
is something else: late interaction's "tokens", float32 [B, P or L, D] of unit length, and for texts
"mask", bool [B, L], true for tokens that count.
"""

import copy
import math

import keras
import tensorflow as tf
from tensorflow.types.experimental import PolymorphicFunction

from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.export.card import ExportError
from clipbench_tf.features import unit

LIMIT = 2**31 - 2**24  # bytes of weights; ONNX and LiteRT files hold at most 2 GiB


def image(encoders: MethodEncoders) -> PolymorphicFunction:
    """A tf.function: uint8 [B, H, W, 3] called "pixels" -> the dict above, in float32."""
    encoders, size = exact(encoders), encoders.image_size

    def run(pixels: tf.Tensor) -> Representation:
        with encoders.precision():
            features = encoders.method.image_encoder(pixels, training=False)
            return {"embedding": unit(features.embedding)} | encoders.scorer.images(features)

    spec = tf.TensorSpec([None, size, size, 3], tf.uint8, name="pixels")
    return tf.function(run, input_signature=[spec], autograph=False)


def text(encoders: MethodEncoders) -> PolymorphicFunction:
    """A tf.function: int32 [B, L] called "ids" -> the dict above, in float32.

    L is any up to the context length, or that alone if the scorer counts padding.
    """
    encoders = exact(encoders)

    def run(ids: tf.Tensor) -> Representation:
        with encoders.precision():
            features = encoders.method.text_encoder(ids, training=False)
            return {"embedding": unit(features.embedding)} | encoders.scorer.texts(features)

    length = encoders.tokenizer.context_length if encoders.scorer.whole_texts else None
    spec = tf.TensorSpec([None, length], tf.int32, name="ids")
    return tf.function(run, input_signature=[spec], autograph=False)


def exact(encoders: MethodEncoders) -> MethodEncoders:
    """`encoders`, computing in float32 whatever the method trains in."""
    same = copy.copy(encoders)
    same.exact = True
    return same


def check_size(tower: keras.layers.Layer, name: str) -> None:
    """Refuses a tower whose weights one file cannot hold.

    Raises:
        ExportError: if they are larger than `LIMIT`.
    """
    size = 4 * sum(math.prod(variable.shape) for variable in tower.variables)
    if size > LIMIT:
        raise ExportError(
            f"The {name} tower has {size / 2**30:.1f} GiB of float32 weights, and a file of this "
            f"format holds less than 2 GiB; serve it as a SavedModel or a Keras model."
        )
