"""Keeps what a zero-shot evaluation has scored, so that one that is killed goes on."""

import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from absl import logging

from clipbench_tf.evaluation.scored import Scored, joined
from clipbench_tf.evaluation.zero_shot import Journal

PERIOD = 30.0  # seconds


class PartialScores(Journal):
    """A context that keeps scored pictures in `folder`, a file for each split.

    They are written about every `PERIOD`, at the end of a split, and when an error or a signal ends
    the context. Where they cannot be written, a warning says so once, and the evaluation goes on.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock, self._saved = folder, clock, clock()
        self._split, self._scored, self._full = "", list[Scored](), False

    def __enter__(self) -> "PartialScores":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.save()

    def kept(self, split: str) -> list[Scored]:
        """See `Journal`; nothing where the file cannot be read."""
        try:
            return [Scored.load(self._file(split))]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return []

    def keep(self, split: str, scored: Sequence[Scored]) -> None:
        """See `Journal`."""
        if split != self._split:
            self.save()
        self._split, self._scored = split, list(scored)
        if self._clock() - self._saved >= PERIOD:
            self.save()

    def save(self) -> None:
        """Writes what was kept last."""
        if not self._scored or self._full:
            return
        try:
            joined(self._scored).save(self._file(self._split))
        except OSError as error:
            self._full = True
            logging.warning("Cannot keep scores in %s: %s.", self._folder, error.strerror)
        self._saved = self._clock()

    def _file(self, split: str) -> Path:
        return self._folder / f"scored-{split}.npz"
