"""Base class of the supervision signals."""

import keras
import tensorflow as tf

from clipbench_tf.features import Features


class Objective(keras.layers.Layer):
    """A named, weighted layer from `Features` to one scalar, computed in float32.

    The scalar is a mean over this replica's pairs; contrastive objectives compare them with the
    pairs of all replicas. An objective owns its heads and state, never a tower. Logs show it
    under its `name`.

    Attributes:
        count_padding: whether the objective reads text positions after the end token, which are
            left out in training where none does.
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
    """Returns `views[index]`; raises ValueError, naming objective and view, if there is none."""
    if not 0 <= index < len(views):
        raise ValueError(
            f"Objective {name} reads {kind} view {index}, but the pipeline makes {len(views)}; "
            f"add views to the pipeline or change the objective's view index."
        )
    return views[index]
