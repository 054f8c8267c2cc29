"""How far a suite is, and how long it still takes."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Collection, Sequence

from clipbench_tf.suites.jobs import Job

_CLEAR = "\r\x1b[K"  # a terminal's last line
_FORGOTTEN = 0.3  # share of what was learnt before a run, as the machine may be less busy now
_EVERY = 60.0  # seconds between two lines that are not on a terminal


class Progress:
    """Counts finished runs, and learns from them how long operations take.

    Args:
        jobs: all of the suite.
        slots: how many run side by side.
        say: prints a line.
        clock: the time in seconds.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        slots: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs, self._slots, self._say, self._clock = list(jobs), slots, say, clock
        self._in_place = sys.stdout.isatty()
        self._began: dict[str, float] = {}
        self._steps: dict[str, int] = {}  # where a run began
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._worked = [0.0, 0.0]  # operations, and the seconds that they took; of late
        self._shown = clock()

    def begun(self, job: Job) -> None:
        """A run has begun, perhaps from a checkpoint."""
        self._began[job.label], self._steps[job.label] = self._clock(), step_of(job)

    def done(self, job: Job, *, trained: bool) -> None:
        """There is a result; `trained` if it was trained now."""
        self._done.add(job.label)
        if trained:
            share = 1 - self._steps[job.label] / job.steps
            one = job.flops * share, self._clock() - self._began[job.label]
            kept = 1 - _FORGOTTEN
            self._worked = [kept * old + new for old, new in zip(self._worked, one, strict=True)]

    def failed(self, job: Job) -> None:
        """A run has failed."""
        self._failed.add(job.label)

    def seconds_left(self, running: Collection[Job]) -> float | None:
        """An estimate; None while nothing is known."""
        operations, seconds = self._worked
        left = 0.0
        for job in self._jobs:
            if job.label not in self._done | self._failed:
                left += job.flops
        for job in running:
            step = step_of(job)
            operations += job.flops * max(0, step - self._steps[job.label]) / job.steps
            seconds += self._clock() - self._began[job.label]
            left -= job.flops * min(1, step / job.steps)
        if not operations:
            return None
        return left * seconds / operations / max(1, min(self._slots, self._open()))

    def _open(self) -> int:
        return len(self._jobs) - len(self._done) - len(self._failed)

    def line(self, running: Collection[Job]) -> str:
        """For people: what is done, what runs, and the time left."""
        parts = [f"{len(self._done)} of {len(self._jobs)} done"]
        if self._failed:
            parts.append(f"{len(self._failed)} failed")
        left = self.seconds_left(running)
        if self._open() and left is not None:
            parts.append(f"about {_duration(left)} left")
        return ", ".join(parts)

    def show(self, running: Collection[Job]) -> None:
        """Says where the running ones are, now and then."""
        if self._clock() - self._shown < (2.0 if self._in_place else _EVERY):
            return
        self._shown = self._clock()
        now = "; ".join(f"{job.label}: step {step_of(job)}/{job.steps}" for job in running)
        text = f"{self.line(running)}; {now}"
        if self._in_place:
            width = shutil.get_terminal_size().columns - 1
            print(f"{_CLEAR}{text[:width]}", end="", flush=True)
        else:
            self._say(text)

    def tell(self, text: str) -> None:
        """Prints a line of its own."""
        self._say(f"{_CLEAR}{text}" if self._in_place else text)


def step_of(job: Job) -> int:
    """The last logged step of a run."""
    try:
        with (job.workdir / "metrics.jsonl").open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 8192))
            *_, last, _ = file.read().split(b"\n")  # behind the last one, perhaps a part of one
        return int(json.loads(last)["step"])
    except (OSError, ValueError, KeyError):
        return 0


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(1, minutes)} min"
