"""Joins requests that wait for the model to batches, and runs them in threads of its own.

A thread takes all requests that may join the oldest one, up to a number of rows. Meanwhile another
takes those of other signatures: a long batch of pictures does not keep texts waiting. A thread
waits for more only while fewer are there than were in the last batch of the signature, and no
longer than `batch_wait`: a single client waits for nobody, and clients that ask at once are
answered at once.

To wake a thread, or the event loop, takes longer than most of what is done for a request. So one
thread alone watches the queue, it is woken when there is a batch to start, and all answers of a
batch are handed to the event loop together.
"""

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from clipbench_tf.serving.errors import busy
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.signatures import Arrays

Run = Callable[[str, Arrays], Arrays]


def _future() -> asyncio.Future:
    return asyncio.get_running_loop().create_future()


@dataclasses.dataclass(frozen=True, eq=False)
class Waiting:
    """A request in the queue; it is made in the event loop that waits for the answer.

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
    future: asyncio.Future = dataclasses.field(default_factory=_future)
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
        # Requests that may be joined, by what is equal for them; the group that came first is first
        self._groups: dict[Hashable, list[Waiting]] = {}
        self._length = 0
        self._last: collections.Counter[str] = collections.Counter()  # requests of the last batch
        self._running: set[str] = set()  # signatures of joined batches
        self._watching = threading.Lock()  # of the thread that watches the queue
        self._changed = threading.Condition()  # which that thread waits for
        self._idle = True  # whether it waits for any request at all
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"model-{n}", daemon=True)
            for n in range(limits.threads)
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return self._length

    def put(self, request: Waiting) -> asyncio.Future:
        """Appends `request`; returns the future of its outputs.

        Raises:
            RequestError: 503, if the queue is full or closed.
        """
        with self._changed:
            if self._closed:
                raise busy("The server is shutting down; ask another one, or later.")
            if self._length >= self._limits.queue:
                raise busy(f"{self._limits.queue} requests wait for the model; try again later.")
            key = request.together if self._joins(request) else request
            group = self._groups.setdefault(key, [])
            group.append(request)
            self._length += 1
            if self._idle or (self._may_start(group) and self._enough(group)):
                self._changed.notify()
        return request.future

    def close(self) -> None:
        """Answers what waits, then ends the threads; later requests are refused."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._watching:
                batch = self._next()
            if not batch:
                return
            self._answer([one for one in batch if not one.future.cancelled()])
            if self._joins(batch[0]):
                with self._changed:
                    self._running.discard(batch[0].signature)
                    self._changed.notify()

    def _next(self) -> list[Waiting]:
        """The requests of the next batch; none when the queue is closed and empty."""
        with self._changed:
            while self._length or not self._closed:
                now, waits = time.monotonic(), []
                for key, group in self._groups.items():
                    if not self._may_start(group):
                        continue
                    left = group[0].since + self._limits.batch_wait - now
                    if left <= 0 or self._closed or self._enough(group):
                        return self._taken(key)
                    waits.append(left)
                self._idle = not waits
                self._changed.wait(min(waits, default=None))
            return []

    def _joins(self, one: Waiting) -> bool:
        return one.joined is not None and self._limits.batch_rows > 1

    def _may_start(self, group: Sequence[Waiting]) -> bool:
        """Whether its requests are not better joined to others behind a batch that runs."""
        return not (self._joins(group[0]) and group[0].signature in self._running)

    def _enough(self, group: Sequence[Waiting]) -> bool:
        """Whether its requests wait for no others."""
        return (
            not self._joins(group[0])
            or len(group) >= self._last[group[0].signature]
            or sum(one.rows for one in group) >= self._limits.batch_rows
        )

    def _taken(self, key: Hashable) -> list[Waiting]:
        """Takes a batch from the group `key`; what stays keeps its order."""
        group = self._groups.pop(key)
        batch, rest, rows = group[:1], [], group[0].rows
        for one in group[1:]:
            if rows + one.rows <= self._limits.batch_rows:
                batch.append(one)
                rows += one.rows
            else:
                rest.append(one)
        if rest:
            self._groups[key] = rest
        self._length -= len(batch)
        self._last[batch[0].signature] = len(batch)
        if self._joins(batch[0]):
            self._running.add(batch[0].signature)
        return batch

    def _answer(self, batch: list[Waiting]) -> None:
        if len(batch) > 1:
            # If it fails, one of them is to blame: each runs alone, and fails alone.
            with contextlib.suppress(Exception):
                _tell(batch, self._joined(batch))
                return
        for one in batch:
            outcome: Arrays | BaseException
            try:
                self._ran(one.signature, one.rows)
                outcome = self._run(one.signature, one.inputs)
            except BaseException as error:
                outcome = error
            _tell([one], [outcome])

    def _joined(self, batch: Sequence[Waiting]) -> list[Arrays]:
        """The outputs of each request of `batch`, from one call."""
        first = batch[0]
        assert first.joined is not None
        column = np.concatenate([one.inputs[first.joined] for one in batch])
        self._ran(first.signature, len(column))
        outputs = self._run(first.signature, {**first.inputs, first.joined: column})
        if any(value.shape[:1] != (len(column),) for value in outputs.values()):
            raise ValueError(f"The outputs of {first.signature} do not have its rows first.")
        ends = itertools.accumulate(one.rows for one in batch)
        rows = [slice(end - one.rows, end) for one, end in zip(batch, ends, strict=True)]
        return [{name: value[part] for name, value in outputs.items()} for part in rows]


def _tell(batch: Sequence[Waiting], outcomes: Sequence[Arrays | BaseException]) -> None:
    """Hands the outcomes of a batch to the event loops that wait for them, in one go."""
    told: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future, Arrays | BaseException]]] = {}
    for one, outcome in zip(batch, outcomes, strict=True):
        told.setdefault(one.future.get_loop(), []).append((one.future, outcome))
    for loop, pairs in told.items():
        with contextlib.suppress(RuntimeError):  # a loop that is closed waits no more
            loop.call_soon_threadsafe(_settle, pairs)


def _settle(pairs: Sequence[tuple[asyncio.Future, Arrays | BaseException]]) -> None:
    for future, outcome in pairs:
        if future.done():  # given up meanwhile
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
