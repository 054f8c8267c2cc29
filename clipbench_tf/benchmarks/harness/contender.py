"""One side of a comparison in a process of its own: other libraries and threads stay out of it."""

import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import re
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from clipbench_tf import tensorflow_log
from clipbench_tf.benchmarks.harness.job import Answer

_PATIENCE = 10.0  # seconds that a process gets to end by itself


class ContenderError(RuntimeError):
    """A side that failed; the message holds its traceback."""


class MissingPackage(RuntimeError):
    """A side that needs a package which is not installed; the message is its name."""


@dataclasses.dataclass(frozen=True)
class Side:
    """Which function makes the job, with which arguments, on how many cores.

    Attributes:
        target: `module:function`; the function returns a `Job`.
        arguments: of the function.
        cores: the process is held to so many; None for all that this one has.
    """

    target: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cores: int | None = None


class Contender:
    """A running `Side`. Used in a `with`; the process ends with it.

    Raises:
        MissingPackage: when entered, if a package that the side imports is not installed.
        ContenderError: when entered or used, if the side fails or its process dies.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, side))
        self._process.start()
        there.close()  # so that the end of the process is the end of the connection

    def __enter__(self) -> "Contender":
        try:
            self._receive()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def seconds(self) -> float:
        """How long one more repetition takes, by the clock of its process."""
        return self._ask("run")

    def answer(self) -> Answer | None:
        """What the job computes, in the form to be compared; None if it has nothing to compare."""
        return self._ask("answer")

    def peak_extra_bytes(self) -> int:
        """The most memory (RSS) that the process has held above what it held before any run."""
        return self._ask("peak")

    def _ask(self, question: str) -> Any:
        with contextlib.suppress(ConnectionError):  # that it died, the answer tells
            self._connection.send(question)
        return self._receive()

    def _receive(self) -> Any:
        try:
            kind, value = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise ContenderError(
                f"{self.side.target} died with status {self._process.exitcode}; if that is -9, "
                "memory ran out."
            ) from None
        if kind == "missing":
            raise MissingPackage(value)
        if kind == "error":
            raise ContenderError(f"{self.side.target} failed:\n{value}")
        return value

    def _end(self) -> None:
        self._connection.close()
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def _serve(connection: Connection, side: Side) -> None:
    """The other process: builds the job, then answers until the connection is closed."""
    os.dup2(2, 1)  # standard output belongs to the records
    try:
        if side.cores is not None:  # before the libraries count the cores
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: side.cores])
        module, function = side.target.split(":")
        with tensorflow_log.held_back():
            made = importlib.import_module(module)
        job = getattr(made, function)(**side.arguments)
        before = _start_peak()
        reply: tuple[str, Any] = ("value", None)
        while True:
            connection.send(reply)
            question = connection.recv()
            if question == "run":
                start = time.perf_counter()
                job.run()
                value: Any = time.perf_counter() - start
            elif question == "answer":
                value = job.answer and job.answer()
            else:
                value = _memory("VmHWM") - before
            reply = ("value", value)
    except (EOFError, ConnectionError):
        pass  # the end, as agreed
    except ModuleNotFoundError as error:
        ours = (error.name or "").startswith("clipbench_tf")
        connection.send(("error", traceback.format_exc()) if ours else ("missing", error.name))
    except Exception:
        connection.send(("error", traceback.format_exc()))


def _start_peak() -> int:
    """Lets the process's peak begin anew; returns its memory now, in bytes.

    The peak of `resource.getrusage` cannot do that, and even counts what the parent held.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0
