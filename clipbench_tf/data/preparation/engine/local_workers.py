"""Beam's runner on this machine, with worker processes that are watched.

Left alone, Beam 2.77 waits for ever when a worker process was killed, and lets the others finish
their share when a step failed or the user presses Ctrl-C.
"""

import contextlib
import os
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

import clipbench_tf
from clipbench_tf.data.preparation.engine import beam_worker
from clipbench_tf.data.readers import files

# Each process works by itself: threads of its own would only take turns with those of the others.
ENVIRONMENT = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
}
_BEAM_THREADS = ("read_grpc_client_inputs", "beam_control_read", "run_worker")
_ROOT = str(Path(clipbench_tf.__file__).parents[1])


class LocalWorkers:
    """A context in which `runner` works with `count` processes; one is this process itself.

    In it, Ctrl-C ends them at once, as does the end of this process.

    Args:
        count: of processes.
        failed: path of a file that is there once the work has failed, so that all should end.

    Attributes:
        ended: why the work was ended by this class, in a sentence; "" if it was not.
        interrupted: whether the user has pressed Ctrl-C.
    """

    def __init__(self, count: int, failed: str) -> None:
        self.ended, self.interrupted = "", False
        self._count, self._failed = count, failed
        self._folder: Path | None = None
        self._over = threading.Event()
        self._thread = threading.get_ident()
        self._in_main = threading.current_thread() is threading.main_thread()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "LocalWorkers":
        from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
        from apache_beam.transforms.environments import SubprocessSDKEnvironment

        if self._in_main:
            before = signal.signal(signal.SIGINT, self._interrupt)
            self._stack.callback(signal.signal, signal.SIGINT, before)
        if self._count == 1:
            self.runner = FnApiRunner()
            return self
        self._folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="clipbench_tf-"))
        )
        self._stack.enter_context(_environment(ENVIRONMENT))
        arguments = [
            sys.executable,
            "-m",
            beam_worker.__name__,
            str(self._folder),
            str(os.getpid()),
        ]
        command = f"exec {shlex.join(arguments)}"
        environment = SubprocessSDKEnvironment.from_command_string(command)
        self.runner = FnApiRunner(default_environment=environment)
        self._stack.enter_context(_silent_threads())
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        self._stack.callback(watch.join)
        self._stack.callback(self._over.set)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kill()
        self._stack.close()

    def _watch(self) -> None:
        """Ends all when one has failed, or has ended without a word."""
        while not self._over.wait(beam_worker.PERIOD):
            if files.exists(self._failed):
                self.ended = "A step failed."
            elif not all(map(_runs, self._processes())):
                self.ended = (
                    "A worker process was ended from outside, perhaps as memory ran out. Repeat "
                    "the command: it goes on where it was; fewer workers need less memory."
                )
            if self.ended:
                self._kill()
                if self._in_main:  # where Beam waits, as it does not notice
                    signal.pthread_kill(self._thread, signal.SIGINT)
                return

    def _processes(self) -> list[int]:
        return [int(mark.name) for mark in self._folder.iterdir()] if self._folder else []

    def _kill(self) -> None:
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = not self.ended
        self._kill()
        raise KeyboardInterrupt


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def _silent_threads() -> Iterator[None]:
    """Has Beam's threads say nothing of a worker's end, which `LocalWorkers` tells in a line."""
    hook = threading.excepthook

    def others(failure: threading.ExceptHookArgs) -> None:
        if getattr(failure.thread, "name", None) not in _BEAM_THREADS:
            hook(failure)

    threading.excepthook = others
    try:
        yield
    finally:
        threading.excepthook = hook


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Sets environment variables for the processes that are started meanwhile."""
    path = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))
    before = dict(os.environ)
    os.environ.update(values, PYTHONPATH=path)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
