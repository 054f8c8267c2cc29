"""The numbers of a training step, handed to a log at intervals."""

from collections.abc import Mapping

import keras

from clipbench_tf.callbacks.every_steps import EverySteps
from clipbench_tf.callbacks.throughput import Throughput


class ScalarLog(EverySteps):
    """Base of the logs: gives `write` a step's numbers every `every` steps and at the last.

    These are the scalars that the training step returns (the loss, each term as `loss/<name>`,
    temperature, gradient_norm), of this one step and not averaged, and: `learning_rate`, the one
    that the next update takes; `epoch`, as a fraction, and `pairs_per_second`, where the arguments
    tell them.

    Args:
        every: the interval in steps.
        total_steps: of the whole run; None where nobody knows, and no step is the last.
        throughput: measures the speed, and stands before this one in the list of callbacks.
        steps_per_epoch: steps in which as many pairs are seen as the training data has.

    Raises:
        ValueError: if `every` is below 1.
    """

    def __init__(
        self,
        *,
        every: int = 10,
        total_steps: int | None = None,
        throughput: Throughput | None = None,
        steps_per_epoch: float | None = None,
    ) -> None:
        super().__init__(every, total_steps)
        self._throughput, self._steps_per_epoch = throughput, steps_per_epoch

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes `values` by name; a second call for the same step adds to the first."""
        raise NotImplementedError

    def act(self, step: int, logs: Mapping[str, float]) -> None:
        values = {}
        if self._steps_per_epoch is not None:
            values["epoch"] = step / self._steps_per_epoch
        values |= {name: float(value) for name, value in logs.items() if name != "stop"}
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        values["learning_rate"] = float(rate)
        speed = self._throughput.pairs_per_second if self._throughput is not None else None
        if speed is not None:
            values["pairs_per_second"] = speed
        self.write(step, values)
