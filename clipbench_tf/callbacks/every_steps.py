"""Callbacks that act at intervals of steps of the whole run, however often it was resumed."""

import math
from collections.abc import Mapping

import keras


def global_step(model: keras.Model) -> int:
    """Optimizer steps that `model` has taken, in this process and in those before it."""
    return int(model.optimizer.iterations.numpy())


class EverySteps(keras.callbacks.Callback):
    """Calls `act` at multiples of `every` steps and at step `total_steps`, the run's last if any.

    With `steps_per_execution` above 1 Keras calls back once an execution only: `act` then runs
    at the end of the execution that reached or passed such a step.

    Raises:
        ValueError: if `every` is below 1.
    """

    def __init__(self, every: int, total_steps: int | None) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"The interval must be at least 1 step, got {every}.")
        self._every, self._total = every, math.inf if total_steps is None else total_steps
        self._seen = 0

    def act(self, step: int, logs: Mapping[str, float]) -> None:
        """Called at each such step; `logs` are its scalars."""
        raise NotImplementedError

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._seen = global_step(self.model)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step, before = global_step(self.model), self._seen
        self._seen = step
        if step // self._every > before // self._every or before < self._total <= step:
            self.act(step, logs or {})
