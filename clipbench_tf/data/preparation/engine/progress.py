"""A line on the terminal that says how far a step is."""

import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TextIO


class Progress:
    """A context that shows what is done, on a terminal only.

    Args:
        what: is counted, such as "Pairs read".
        total: when all is done.
        done: says how much of `total` is done; called every `period` seconds in a thread.
    """

    def __init__(
        self,
        what: str,
        total: int,
        done: Callable[[], float],
        *,
        period: float = 1.0,
        stream: TextIO | None = None,
    ) -> None:
        self._what, self._total, self._done, self._period = what, total, done, period
        self._stream = stream or sys.stderr
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Progress":
        if self._stream.isatty():
            self._thread = threading.Thread(target=self._show, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _show(self) -> None:
        start, before = time.monotonic(), self._done()
        while not self._over.wait(self._period):
            done = self._done()
            self._stream.write(
                f"\r{self.line(done, done - before, time.monotonic() - start)}\x1b[K"
            )
            self._stream.flush()

    def line(self, done: float, new: float, seconds: float) -> str:
        """The line: `done` of the total, `new` of it in the last `seconds`."""
        text = f"{self._what}: {done:,.0f} of {self._total:,}"
        if new <= 0:
            return text
        left = timedelta(seconds=round((self._total - done) / new * seconds))
        return f"{text}, {new / seconds:,.0f} a second, {left} left"
