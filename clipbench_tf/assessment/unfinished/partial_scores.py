"""Keeps what a zero-shot evaluation has scored, so that one that is killed goes on."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clipbench_tf.assessment.unfinished.arrays import Arrays
from clipbench_tf.evaluation.scored import Scored, joined
from clipbench_tf.evaluation.zero_shot import Journal

PERIOD = 30.0  # seconds


class PartialScores(Journal):
    """Keeps scored pictures in `folder`, a file for each split.

    They are written about every `PERIOD`, at the end of a split, and by `save`.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._arrays, self._clock, self._saved = Arrays(folder), clock, clock()
        self._split, self._scored = "", list[Scored]()

    def kept(self, split: str) -> list[Scored]:
        """See `Journal`; nothing where the file cannot be read."""
        columns = self._arrays.kept(f"scored-{split}")
        return [Scored(**columns)] if columns else []

    def keep(self, split: str, scored: Sequence[Scored]) -> None:
        """See `Journal`."""
        if split != self._split:
            self.save()
        self._split, self._scored = split, list(scored)
        if self._clock() - self._saved >= PERIOD:
            self.save()

    def save(self) -> None:
        """Writes what was kept last."""
        if not self._scored:
            return
        self._arrays.keep(f"scored-{self._split}", joined(self._scored).columns())
        self._saved = self._clock()
