"""The checkpoint of the best evaluation so far."""

from collections.abc import Mapping

from clipbench_tf.checkpoints.checkpoints import Checkpoints


class BestCheckpoint:
    """A log that saves the best checkpoint whenever the value called `name` rises."""

    def __init__(self, checkpoints: Checkpoints, name: str) -> None:
        self._checkpoints, self._name = checkpoints, name

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the results of an evaluation at `step`."""
        self._checkpoints.save_best(values[self._name])
