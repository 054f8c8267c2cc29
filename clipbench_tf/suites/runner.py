"""Trains what a suite lacks, several runs side by side, and goes on when one fails."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from clipbench_tf.leaderboard.entry import Entry, RecordError, SuiteFacts, read
from clipbench_tf.suites.child import Child
from clipbench_tf.suites.collect import collect
from clipbench_tf.suites.devices import Slot
from clipbench_tf.suites.jobs import Job
from clipbench_tf.suites.progress import Progress

_POLL = 0.5  # seconds


@dataclasses.dataclass(frozen=True)
class Failure:
    """A run that failed, and why."""

    job: Job
    reason: str


class Runner:
    """The runs of a suite.

    Args:
        facts: of the suite.
        jobs: all its runs, in the order in which they are begun.
        slots: where they run.
        command: starts a training run, without its arguments.
        check: is called all the time, and raises SystemExit when the user wants to stop; the runs
            then save a checkpoint from which the next call goes on.
        say: prints a line.
    """

    def __init__(
        self,
        facts: SuiteFacts,
        jobs: Sequence[Job],
        *,
        slots: Sequence[Slot],
        command: Sequence[str],
        check: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.facts, self.jobs, self.command = facts, jobs, command
        self._free, self._check = list(slots), check
        self._running: dict[Child, Job] = {}
        self.failures: list[Failure] = []
        self.progress = Progress(jobs, len(slots), say)

    def run(self, known: dict[str, Entry]) -> None:
        """Runs what has no record; those that fail are in `failures`.

        Args:
            known: records by key; a run with the key of one needs not be trained.
        """
        waiting = [job for job in self.jobs if not self._known(job, known)]
        try:
            while waiting or self._running:
                self._check()
                self._reap(known)
                while waiting and self._free:
                    job = waiting.pop(0)
                    # Another row may have had the same configuration, and have ended by now.
                    if not self._known(job, known):
                        self._begin(job)
                self.progress.show(self._running.values())
                time.sleep(_POLL)
        finally:
            for child in self._running:
                child.ask_to_stop()
            for child in self._running:
                child.wait()

    def _known(self, job: Job, known: dict[str, Entry]) -> bool:
        """Whether there is a result for `job`; if it is another row's, it is written for this."""
        found = known.get(job.key)
        if found is None:
            return False
        if not job.record.exists():
            own = dataclasses.replace(found, suite=self.facts, row=job.row, place=job.place)
            job.record.parent.mkdir(parents=True, exist_ok=True)
            own.write(job.record)
            self.progress.tell(f"{job.label}: has the result of {found.suite.name}, {found.label}.")
        self.progress.done(job, trained=False)
        return True

    def _begin(self, job: Job) -> None:
        job.record.parent.mkdir(parents=True, exist_ok=True)
        slot = self._free.pop(0)
        log = job.workdir.with_suffix(".log")
        child = Child([*self.command, *job.arguments], slot, log)
        self._running[child] = job
        self.progress.begun(job)

    def _reap(self, known: dict[str, Entry]) -> None:
        for child, job in list(self._running.items()):
            status = child.status()
            if status is None:
                continue
            del self._running[child]
            self._free.append(child.slot)
            if status:
                self._fail(job, f"exit status {status}; {child.log} ends so:\n{child.last_words()}")
                continue
            try:
                entry = collect(job, self.facts)
                entry.write(job.record)
            except (OSError, ValueError, KeyError) as error:
                self._fail(job, f"it leaves no record: {error}")
                continue
            known[job.key] = entry
            self.progress.done(job, trained=True)
            self.progress.tell(
                f"{job.label}: {result(entry)}; {self.progress.line(self._running.values())}"
            )

    def _fail(self, job: Job, reason: str) -> None:
        self.failures.append(Failure(job, reason))
        self.progress.failed(job)
        self.progress.tell(f"{job.label} failed: {reason}")


def result(entry: Entry) -> str:
    """The accuracy of a record on its first split, for people."""
    split = entry.run["results"][0]["split"]
    minutes = entry.run["wall_time_seconds"] / 60
    return f"{split} top-1 {entry.value('top1', split):.1%} after {minutes:.1f} min"


def known(jobs: Sequence[Job]) -> dict[str, Entry]:
    """The records that there are, of whatever suite, by key.

    Raises:
        RecordError: if a record of these jobs is of another configuration, or cannot be read.
    """
    folders = {job.record.parents[1] for job in jobs}
    entries = {path: read(path) for f in folders for path in sorted(f.glob("*/*.json"))}
    for job in jobs:
        if job.record in entries and entries[job.record].key != job.key:
            raise RecordError(
                f"{job.record} is the record of another configuration of {job.label}; choose "
                f"another --output, or remove it."
            )
    return {entry.key: entry for entry in entries.values()}
