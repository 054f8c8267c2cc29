"""Evaluation at intervals while a model trains."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from clipbench_tf.callbacks.every_steps import EverySteps
from clipbench_tf.callbacks.log_scalars import ScalarLog


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
        logs: Sequence[ScalarLog],
    ) -> None:
        super().__init__(every, total_steps)
        self._run, self._sinks = run, tuple(logs)

    def act(self, step: int, logs: Mapping[str, float]) -> None:
        values = {name: float(value) for name, value in self._run()}
        for sink in self._sinks:
            sink.write(step, values)
