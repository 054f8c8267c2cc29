"""Runs one side of a comparison in its own process, apart from other libraries and threads."""

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

_END_TIMEOUT = 10.0  # seconds after which a process that has not ended is terminated


class ContenderError(RuntimeError):
    """A side failed; the message holds its traceback."""


class MissingPackage(RuntimeError):
    """A side needs a package that is not installed; the message is the package's name."""


@dataclasses.dataclass(frozen=True)
class Side:
    """The function that makes a job, its arguments, and the number of cores.

    Attributes:
        target: `module:function`; the function returns a `Job`.
        arguments: of the function.
        cores: number that the process may use; None for all of this process.
    """

    target: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cores: int | None = None


class Contender:
    """The process of a `Side`, as a context manager that ends it.

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
        there.close()  # otherwise the connection would not end with the process

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
        """Runs one repetition and returns its seconds, by the clock of the process."""
        return self._ask("run")

    def answer(self) -> Answer | None:
        """The result of the job in comparable form; None if it has nothing to compare."""
        return self._ask("answer")

    def peak_extra_bytes(self) -> int:
        """The peak memory (RSS) of the process above its memory before the first run."""
        return self._ask("peak")

    def _ask(self, question: str) -> Any:
        with contextlib.suppress(ConnectionError):  # `_receive` tells if the process has died
            self._connection.send(question)
        return self._receive()

    def _receive(self) -> Any:
        try:
            kind, value = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise ContenderError(
                f"{self.side.target} died with status {self._process.exitcode}; -9 usually means "
                "that memory ran out."
            ) from None
        if kind == "missing":
            raise MissingPackage(value)
        if kind == "error":
            raise ContenderError(f"{self.side.target} failed:\n{value}")
        return value

    def _end(self) -> None:
        self._connection.close()
        self._process.join(_END_TIMEOUT)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def _serve(connection: Connection, side: Side) -> None:
    """Runs in the new process: builds the job, then answers until the connection is closed."""
    os.dup2(2, 1)  # standard output is for records only
    try:
        if side.cores is not None:  # before the libraries count the cores
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: side.cores])
        module, function = side.target.split(":")
        with tensorflow_log.suppressed():
            imported = importlib.import_module(module)
        job = getattr(imported, function)(**side.arguments)
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
        pass  # the other end has closed the connection
    except ModuleNotFoundError as error:
        ours = (error.name or "").startswith("clipbench_tf")
        connection.send(("error", traceback.format_exc()) if ours else ("missing", error.name))
    except Exception:
        connection.send(("error", traceback.format_exc()))


def _start_peak() -> int:
    """Resets the peak memory of this process; returns its present memory, in bytes.

    The peak of `resource.getrusage` cannot be reset, and includes that of the parent.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(field: str) -> int:
    """Bytes of a field of /proc/self/status."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0
