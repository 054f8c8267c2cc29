"""Training speed: what the steps themselves take, without the pauses between them."""

import math
import time
from collections.abc import Callable

import keras

from clipbench_tf.callbacks.every_steps import global_step

_SETTLING = 2  # executions, which wait for data and memory


class Throughput(keras.callbacks.Callback):
    """Measures pairs per second for the other callbacks; it must be the first in their list.

    As the first it stops its clock before any other callback begins, so evaluation and
    checkpoints do not count; nor does the first execution of each `fit`, which compiles the step
    and waits for the pipeline to fill.

    Args:
        batch_size: pairs per step over all replicas.
        memory: seconds of training after which a measurement weighs 1/e. `seconds_left` has a
            value after twice as many, without the first `_SETTLING` executions measured.
        clock: the time in seconds.
    """

    def __init__(
        self,
        batch_size: int,
        *,
        memory: float = 15.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        self._batch_size, self._memory, self._clock = batch_size, memory, clock
        self._steps = self._seconds = 0.0  # recent ones, older ones weighing less
        self._step, self._started = 0, 0.0  # as the present execution began
        self._warm = False
        self._measured, self._steady = 0, 0.0  # executions, and seconds of those that are steady

    @property
    def pairs_per_second(self) -> float | None:
        """The recent speed, or None before a second execution has ended."""
        return self._batch_size * self._steps / self._seconds if self._seconds else None

    def seconds_left(self, steps: int) -> float | None:
        """How long `steps` more take at the recent speed, or None before it is steady.

        Pauses are not included.
        """
        if self._steady < 2.0 * self._memory:
            return None
        return steps * self._seconds / self._steps

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._step = global_step(self.model)
        self._warm = False

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._started = self._clock()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # Reading the step waits for an accelerator, so that its work counts.
        step = global_step(self.model)
        if self._warm:
            seconds = self._clock() - self._started
            keep = math.exp(-seconds / self._memory)
            self._steps = keep * self._steps + step - self._step
            self._seconds = keep * self._seconds + seconds
            self._steady += seconds if self._measured >= _SETTLING else 0.0
            self._measured += 1
        self._step, self._warm = step, True
