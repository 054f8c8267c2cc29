"""What is logged of a training step, and where it goes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import keras

from clipbench_tf.callbacks.every_steps import EverySteps
from clipbench_tf.callbacks.throughput import Throughput


class ScalarLog(Protocol):
    """Anything that takes named numbers of a step: `MetricsLog`, `TensorBoardLog`, `Progress`."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes `values` by name; a second call for the same step adds to the first."""


class LogScalars(EverySteps):
    """Hands a step's numbers to `logs` every `every` steps and at the last.

    These are the scalars that the training step returns (the loss, each term as `loss/<name>`,
    temperature, gradient_norm), all of this one step and not averaged, and: `epoch`, as a
    fraction; `learning_rate`, the one that the next update takes; `pairs_per_second`, as soon as
    it has been measured.

    Args:
        every: the interval in steps.
        total_steps: of the whole run.
        logs: who takes the numbers.
        throughput: the measured speed.
        steps_per_epoch: steps in which as many pairs are seen as the training data has.
    """

    def __init__(
        self,
        every: int,
        total_steps: int,
        logs: Sequence[ScalarLog],
        *,
        throughput: Throughput,
        steps_per_epoch: float,
    ) -> None:
        super().__init__(every, total_steps)
        self._sinks = tuple(logs)
        self._throughput, self._steps_per_epoch = throughput, steps_per_epoch

    def act(self, step: int, logs: Mapping[str, float]) -> None:
        values = {"epoch": step / self._steps_per_epoch}
        values |= {name: float(value) for name, value in logs.items() if name != "stop"}
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        values["learning_rate"] = float(rate)
        if (speed := self._throughput.pairs_per_second) is not None:
            values["pairs_per_second"] = speed
        for sink in self._sinks:
            sink.write(step, values)
