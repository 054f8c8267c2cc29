"""The checkpoint of the best evaluation so far."""

from collections.abc import Mapping

from clipbench_tf.checkpoints.checkpoints import Checkpoints


class BestCheckpoint:
    """Takes results and saves a checkpoint when the one called `name` is the best so far."""

    def __init__(self, checkpoints: Checkpoints, name: str) -> None:
        self._checkpoints, self._name = checkpoints, name

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Saves the best checkpoint if `values`, evaluated at `step`, are the best so far."""
        self._checkpoints.save_best(values[self._name])
