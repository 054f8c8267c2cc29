"""Joins requests that wait for the model to batches, and runs them in threads of its own.

A thread takes all requests that may join the oldest one, up to a number of rows. Meanwhile another
takes those of other signatures: a long batch of pictures does not keep texts waiting. A thread
waits for more only while fewer are there than were in the last batch of the signature, and no
longer than `batch_wait`: a single client waits for nobody, and clients that ask at once are
answered at once.
"""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future

import numpy as np

from clipbench_tf.serving.errors import busy
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.signatures import Arrays

Run = Callable[[str, Arrays], Arrays]


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A request in the queue.

    Attributes:
        signature: its name.
        inputs: checked.
        joined: the input along which it may be joined; None if it runs alone.
        together: equal for requests that may be joined to each other.
        rows: of the input `joined`, else 1.
        future: of its outputs.
        since: when it came, in seconds of the monotonic clock.
    """

    signature: str
    inputs: Arrays
    joined: str | None
    together: Hashable
    rows: int
    future: Future = dataclasses.field(default_factory=Future)
    since: float = dataclasses.field(default_factory=time.monotonic)


class BatchQueue:
    """The queue of a model, and the threads that empty it.

    Args:
        run: calls the model: the name of a signature and its inputs -> its outputs.
        limits: for the length of the queue and the size of batches.
        ran: is told the signature and the rows of each call.
    """

    def __init__(self, run: Run, limits: Limits, ran: Callable[[str, int], None]) -> None:
        self._run, self._limits, self._ran = run, limits, ran
        self._waiting: collections.deque[Waiting] = collections.deque()
        self._last: collections.Counter[str] = collections.Counter()  # requests of the last batch
        self._running: set[str] = set()  # signatures of joined batches
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"model-{n}", daemon=True)
            for n in range(limits.threads)
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, request: Waiting) -> Future:
        """Appends `request`; returns the future of its outputs.

        Raises:
            RequestError: 503, if the queue is full or closed.
        """
        with self._changed:
            if self._closed:
                raise busy("The server is shutting down; ask another one, or later.")
            if len(self._waiting) >= self._limits.queue:
                raise busy(f"{self._limits.queue} requests wait for the model; try again later.")
            self._waiting.append(request)
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Answers what waits, then ends the threads; later requests are refused."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            asked = [one for one in batch if one.future.set_running_or_notify_cancel()]
            if asked:
                self._answer(asked)
            if self._joins(batch[0]):
                with self._changed:
                    self._running.discard(batch[0].signature)
                    self._changed.notify()

    def _next(self) -> list[Waiting]:
        """The requests of the next batch; none when the queue is closed and empty."""
        with self._changed:
            while self._waiting or not self._closed:
                first = self._first()
                if first is None:
                    self._changed.wait()
                    continue
                left = first.since + self._limits.batch_wait - time.monotonic()
                if left > 0 and not self._closed and not self._enough(first):
                    self._changed.wait(left)
                    continue
                batch = self._taken(first)
                self._last[first.signature] = len(batch)
                if self._joins(first):
                    self._running.add(first.signature)
                self._changed.notify()
                return batch
            self._changed.notify()  # the other threads may end too
            return []

    def _first(self) -> Waiting | None:
        """The oldest request that is not better joined to others behind a batch that runs."""
        for one in self._waiting:
            if not (self._joins(one) and one.signature in self._running):
                return one
        return None

    def _joins(self, one: Waiting) -> bool:
        return one.joined is not None and self._limits.batch_rows > 1

    def _enough(self, first: Waiting) -> bool:
        if not self._joins(first):
            return True
        alike = [one.rows for one in self._waiting if one.together == first.together]
        return len(alike) >= self._last[first.signature] or sum(alike) >= self._limits.batch_rows

    def _taken(self, first: Waiting) -> list[Waiting]:
        """Takes `first` from the queue, and what may join it; what stays keeps its order."""
        batch, rows = [first], first.rows
        rest: collections.deque[Waiting] = collections.deque()
        for one in self._waiting:
            if one is first:
                continue
            alike = self._joins(first) and one.together == first.together
            if alike and rows + one.rows <= self._limits.batch_rows:
                batch.append(one)
                rows += one.rows
            else:
                rest.append(one)
        self._waiting = rest
        return batch

    def _answer(self, batch: list[Waiting]) -> None:
        if len(batch) > 1:
            try:
                for one, outputs in zip(batch, self._joined(batch), strict=True):
                    one.future.set_result(outputs)
                return
            except Exception:  # one of them is to blame: each runs alone, and fails alone
                batch = [one for one in batch if not one.future.done()]
        for one in batch:
            try:
                self._ran(one.signature, one.rows)
                one.future.set_result(self._run(one.signature, one.inputs))
            except BaseException as error:
                one.future.set_exception(error)

    def _joined(self, batch: list[Waiting]) -> list[Arrays]:
        """The outputs of each request of `batch`, from one call."""
        first = batch[0]
        assert first.joined is not None
        column = np.concatenate([one.inputs[first.joined] for one in batch])
        self._ran(first.signature, len(column))
        outputs = self._run(first.signature, {**first.inputs, first.joined: column})
        if any(value.shape[:1] != (len(column),) for value in outputs.values()):
            raise ValueError(f"The outputs of {first.signature} do not have its rows first.")
        ends = np.cumsum([one.rows for one in batch])
        parts = {name: np.split(value, ends[:-1]) for name, value in outputs.items()}
        return [{name: each[n] for name, each in parts.items()} for n in range(len(batch))]
