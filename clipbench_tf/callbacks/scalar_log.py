"""The numbers of a training step, handed to a log at intervals."""

from collections.abc import Mapping

import keras

from clipbench_tf.callbacks.every_steps import EverySteps
from clipbench_tf.callbacks.throughput import Throughput


class ScalarLog(EverySteps):
    """Base of the logs: gives `write` a step's numbers every `every` steps and at the last.

    These are the scalars that the training step returns (the loss, each term as `loss/<name>`,
    temperature, gradient_norm), of this one step and not averaged, and: `learning_rate`, the one
    that the next update takes; `epoch`, as a fraction, if `steps_per_epoch` is given;
    `pairs_per_second`, if `throughput` is given and has measured it.

    Args:
        every: the interval in steps.
        total_steps: of the whole run; None if unknown: then no step counts as the last.
        throughput: measures the speed; it must come before this callback in the list.
        steps_per_epoch: steps in one pass over the training data.

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
