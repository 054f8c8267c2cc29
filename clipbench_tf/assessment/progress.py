"""How far an evaluation is, how fast, and how long it will take."""

import sys
import time
from collections.abc import Callable
from typing import TextIO


class Progress:
    """Updates one line on a terminal; writes a line every 30 seconds to a file or pipe.

    The speed is that of this process: what was done before counts as done, not as fast.

    Args:
        stream: where to write; standard output unless given.
        clock: the time in seconds.
        check: is called each time that something is done; what it raises ends the evaluation.
    """

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._check = check
        self._stream, self._clock = stream or sys.stdout, clock
        self._in_place = self._stream.isatty()
        self._interval = 0.5 if self._in_place else 30.0  # seconds
        self._what, self._began, self._before, self._shown = "", 0.0, 0, 0.0
        self._line = False  # whether the terminal's last line is of this

    def show(self, what: str, done: int, total: int | None) -> None:
        """Says, if it is time to, that `done` of `total` are done of `what`, such as "prompts"."""
        self._check()
        now = self._clock()
        if what != self._what:
            self._what, self._began, self._before, self._shown = what, now, done, now
        if now - self._shown < self._interval or not total:
            return
        self._shown = now
        text = f"  {what}: {done:,} of {total:,} ({done / total:.0%})"
        if done > self._before and now > self._began:
            speed = (done - self._before) / (now - self._began)
            left = duration((total - done) / speed)
            pace = f"{speed:,.{0 if speed >= 100 else 1}f}/s" if speed >= 1 else _each(speed)
            text += f", {pace}, {left} left"
        self._put(f"\r{text}\x1b[K" if self._in_place else f"{text}\n")
        self._line = self._in_place

    def say(self, text: str) -> None:
        """Writes a line of its own, in place of what is shown."""
        self._put("\r\x1b[K" * self._line + f"{text}\n")
        self._line, self._what = False, ""

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _each(speed: float) -> str:
    return f"{1 / speed:.1f} s each"


def duration(seconds: float) -> str:
    """`seconds` as 0:42, 12:07 or 3:25:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
