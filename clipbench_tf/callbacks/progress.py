"""The progress of training on the terminal: step, loss, speed and time left."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO

import keras

from clipbench_tf.callbacks.every_steps import global_step
from clipbench_tf.callbacks.throughput import Throughput

_LONGEST_BAR = 40  # characters
_FIRST_REPORT = 15.0  # seconds of compiling; the next lines come after twice as many each


class Progress(keras.callbacks.Callback):
    """Updates one line on a terminal; writes a line every 30 seconds to a file or pipe.

    While the first step compiles, a thread reports the elapsed time: each second on a terminal,
    else after 15, 30, 60, ... seconds.

    Results that are passed to `write` get a line of their own.

    Args:
        total_steps: of the whole run.
        throughput: the measured speed.
        stream: where to write; standard output unless given.
        clock: the time in seconds.
        tick: seconds between two reports while the first step compiles; None to report only when
            `report_compiling` is called.
    """

    def __init__(
        self,
        total_steps: int,
        throughput: Throughput,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        tick: float | None = 1.0,
    ) -> None:
        super().__init__()
        self._total, self._throughput, self._clock = total_steps, throughput, clock
        self._stream = stream or sys.stdout
        self._in_place = self._stream.isatty()
        self._interval = 0.5 if self._in_place else 30.0  # seconds
        self._line = ""  # the text in the terminal's last line
        self._begun, self._shown_at = False, float("-inf")
        self._tick, self._compiled = tick, threading.Event()
        self._reporter: threading.Thread | None = None
        self._position, self._started, self._next_report = "", 0.0, _FIRST_REPORT

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not self._begun:
            self._begun = True
            step = global_step(self.model)
            self._position, self._started = f"step {step}/{self._total}", self._clock()
            self._show(self._position, "compiling the training step ...")
            if self._tick is not None:
                self._reporter = threading.Thread(target=self._report_often, daemon=True)
                self._reporter.start()

    def report_compiling(self) -> None:
        """Reports for how long the first step has been compiling, if a report is due."""
        seconds = self._clock() - self._started
        if self._in_place or seconds >= self._next_report:
            self._show(self._position, f"compiling the training step: {seconds:.0f} s")
        while seconds >= self._next_report:
            self._next_report *= 2.0

    def stop_reporting(self) -> None:
        """Stops the thread of `on_train_begin`; to be called too where the first step fails."""
        self._compiled.set()
        if self._reporter is not None:
            self._reporter.join()

    def _report_often(self) -> None:
        while not self._compiled.wait(self._tick):
            self.report_compiling()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        now, step = self._clock(), global_step(self.model)
        if not self._compiled.is_set():
            self.stop_reporting()
            self.say(f"compiled the training step in {now - self._started:.0f} s")
        if now - self._shown_at >= self._interval or step >= self._total:
            self._shown_at = now
            self._show(*self._state(step, logs or {}))

    def on_train_end(self, logs: dict | None = None) -> None:
        if self._line and global_step(self.model) >= self._total:
            self._put("\n")
            self._line = ""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes a line with the results in `values`."""
        results = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.say(f"step {step}: {results}")

    def say(self, text: str) -> None:
        """Writes `text` as a line of its own, above the progress line."""
        if not self._line:
            self._put(f"{text}\n")
            return
        self._put(f"\r{text.ljust(len(self._line))}\n{self._line}")

    def _state(self, step: int, logs: Mapping[str, float]) -> tuple[str, str, float]:
        parts = []
        if "loss" in logs:
            parts.append(f"loss {float(logs['loss']):.4f}")
        if (speed := self._throughput.pairs_per_second) is not None:
            parts.append(f"{speed:.{0 if speed >= 100 else 1}f} pairs/s")
        if (left := self._throughput.seconds_left(self._total - step)) is not None:
            parts.append(f"{duration(left)} left")
        done = min(step / self._total, 1.0)
        return f"step {step}/{self._total} ({done:.0%})", "  ".join(parts), done

    def _show(self, position: str, state: str, done: float = 0.0) -> None:
        if not self._in_place:
            self._put(f"{position}  {state}\n")
            return
        width = shutil.get_terminal_size().columns - 1  # a full line would wrap
        # In tens, so that the bar keeps its length while numbers gain and lose digits.
        length = min((width - len(position) - len(state) - 6) // 10 * 10, _LONGEST_BAR)
        bar = f"  [{('=' * round(done * length)).ljust(length)}]" if length > 0 else ""
        before, self._line = self._line, f"{position}{bar}  {state}"[:width]
        self._put("\r" + self._line.ljust(len(before)))

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk or a lost terminal ends no training
            self._stream.write(text)
            self._stream.flush()


def duration(seconds: float) -> str:
    """`seconds` as 0:42, 12:07 or 3:25:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
