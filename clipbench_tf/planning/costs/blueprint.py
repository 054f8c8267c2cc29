"""Gives a method its variables without memory for their values, so that they can be counted."""

import math

import keras
import tensorflow as tf

from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.method import Method


def create_variables(method: Method, pipeline: Pipeline, text_length: int) -> None:
    """Creates the variables of `method` as its `build` does, without memory for them.

    The variables have no values: do not train or call the method afterwards.

    Raises:
        ValueError: as in training, if parts do not fit each other.
    """
    views = len(pipeline.image_views.views)
    side = pipeline.image_views.size
    batch = {
        "images": tf.TensorSpec([1, views, side, side, 3], tf.uint8),
        "ids": tf.TensorSpec([1, pipeline.text_views, text_length], tf.int32),
        "position": tf.TensorSpec([1], tf.int64),
    }
    if pipeline.mask_probability > 0:
        batch["mlm_labels"] = tf.TensorSpec([1, text_length], tf.int32)
    # Keras allocates no memory for variables in this scope; the traced function is never run.
    with keras.StatelessScope(initialize_variables=False):
        tf.function(method.build, autograph=False).get_concrete_function(batch)


def count(variables: list[keras.Variable]) -> int:
    """Number of values in all `variables`."""
    return sum(size(v) for v in variables)


def size(variable: keras.Variable) -> int:
    """Number of values in `variable`."""
    return math.prod(variable.shape)
