"""Evaluation at intervals while a model trains."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from clipbench_tf.callbacks.every_steps import EverySteps


class ResultLog(Protocol):
    """Anything that takes results: a `ScalarLog`, `Progress`, `BestCheckpoint`."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes `values` by name; a second call for the same step adds to the first."""


class PeriodicEvaluation(EverySteps):
    """Runs an evaluator every `every` steps and at the last, and hands its results to `logs`.

    Args:
        every: the interval in steps.
        total_steps: of the whole run.
        run: the evaluator's `run`, which yields (name, value).
        logs: who takes the results.
    """

    def __init__(
        self,
        every: int,
        total_steps: int,
        run: Callable[[], Iterable[tuple[str, float]]],
        logs: Sequence[ResultLog],
    ) -> None:
        super().__init__(every, total_steps)
        self._run, self._logs = run, tuple(logs)

    def act(self, step: int, logs: Mapping[str, float]) -> None:
        values = {name: float(value) for name, value in self._run()}
        for log in self._logs:
            log.write(step, values)
