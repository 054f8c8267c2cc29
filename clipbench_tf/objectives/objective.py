"""The base of every supervision signal."""

import keras
import tensorflow as tf

from clipbench_tf.features import Features


class Objective(keras.layers.Layer):
    """A named, weighted layer from `Features` to one scalar, computed in float32.

    The scalar is the mean over the pairs of this replica, contrasted with those of all replicas.
    An objective owns its heads and state, never a tower. Its `name` is its name in the logs.

    Attributes:
        count_padding: whether it reads text positions behind the end token.
    """

    count_padding = False

    def __init__(self, *, weight: float, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        if weight < 0:
            raise ValueError(f"The weight of objective {name} is {weight}; it must not be < 0.")
        self.weight = float(weight)

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        raise NotImplementedError


def view(views: tuple, index: int, kind: str, name: str):
    """`views[index]`, or an error that says which objective lacks which view."""
    if not 0 <= index < len(views):
        raise ValueError(
            f"Objective {name} reads {kind} view {index}, but the pipeline makes {len(views)}; "
            f"add views to the pipeline or change the objective's view index."
        )
    return views[index]
