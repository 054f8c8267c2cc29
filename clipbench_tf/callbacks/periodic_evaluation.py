"""Evaluation at intervals while a model trains, and the share of the run's time that it takes."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from clipbench_tf.callbacks.every_steps import EverySteps

SHARE = "evaluation/share_of_time"

Results = Iterable[tuple[str, float]]
Observer = Callable[[int], Results]  # is given the step


class ResultLog(Protocol):
    """Anything that takes results: a `ScalarLog`, `Progress`, `BestCheckpoint`."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes `values` by name; a second call for the same step adds to the first."""


class PeriodicEvaluation(EverySteps):
    """Runs an evaluator every `every` steps and at the last, and hands its results to `logs`.

    So often, too, run `observers`, on whose results nothing depends, in turn: the next one waits
    while all evaluation, with what that one took the last time (before its first time: what `run`
    took the first time, as tracing counts), would be more than `share` of the time since training
    began in this process. At the last step one that never ran does not wait, so that each runs
    once, and none waits for another. A resumed run counts anew, so that each of its parts keeps the
    share.

    Args:
        every: the interval in steps.
        total_steps: of the whole run.
        run: the evaluator's `run`, which yields (name, value).
        logs: who takes the results.
        observers: further evaluators, each called with the step.
        observer_logs: who takes their results, and `SHARE`, the share so far, at each interval.
        share: of the time, in 0..1.
        clock: the time in seconds.

    Raises:
        ValueError: if `every` is below 1, or `share` out of its range.
    """

    def __init__(
        self,
        every: int,
        total_steps: int,
        run: Callable[[], Results],
        logs: Sequence[ResultLog],
        *,
        observers: Sequence[Observer] = (),
        observer_logs: Sequence[ResultLog] = (),
        share: float = 0.05,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(every, total_steps)
        if not 0 <= share <= 1:
            raise ValueError(f"The share of time for evaluation must be in 0..1, got {share}.")
        self._run, self._logs = run, tuple(logs)
        self._waiting = [_Turn(observer) for observer in observers]
        self._observer_logs, self._share, self._clock = tuple(observer_logs), share, clock
        self._began: float | None = None
        self._spent = 0.0  # seconds
        self._first: float | None = None  # seconds that `run` took the first time

    def on_train_begin(self, logs: dict | None = None) -> None:
        super().on_train_begin(logs)
        self._begin()

    def act(self, step: int, logs: Mapping[str, float]) -> None:
        self._begin()
        values, seconds = self._timed(self._run())
        for log in self._logs:
            log.write(step, values)
        self._first = seconds if self._first is None else self._first
        observed: dict[str, float] = {}
        last = step >= self._total
        for turn in tuple(self._waiting):
            never = turn.seconds is None
            if not (last and never) and not self._affords(turn.seconds or self._first):
                if last:
                    continue
                break
            found, turn.seconds = self._timed(turn.observer(step))
            observed |= found
            self._waiting.remove(turn)
            self._waiting.append(turn)
        observed[SHARE] = self._spent / self._elapsed()
        for log in self._observer_logs:
            log.write(step, observed)

    def _timed(self, results: Results) -> tuple[dict[str, float], float]:
        """`results`, and the seconds that it took to make them."""
        start = self._clock()
        values = {name: float(value) for name, value in results}
        seconds = self._clock() - start
        self._spent += seconds
        return values, seconds

    def _begin(self) -> None:
        """Starts the time of which `share` is taken: with the first `fit` or what is before it."""
        if self._began is None:
            self._began = self._clock()

    def _elapsed(self) -> float:
        """Seconds since training began, or an evaluation before it."""
        assert self._began is not None
        return max(self._clock() - self._began, 1e-9)

    def _affords(self, seconds: float) -> bool:
        """Whether so many `seconds` more would be within the share."""
        return self._spent + seconds <= self._share * (self._elapsed() + seconds)


@dataclasses.dataclass(eq=False)
class _Turn:
    """An observer in the queue, and the seconds that it took the last time."""

    observer: Observer
    seconds: float | None = None
