"""Starts all workers on one machine, and ends them all when one fails."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType

GRACE = 15.0  # seconds between SIGTERM and SIGKILL after a failure
SAVING = 60.0  # seconds that the others have to end after a signal, once one has ended
POLL = 0.05  # seconds

# Leads the process group of the workers and ignores its signals. When the launcher is gone, even by
# SIGKILL, the watcher's input ends, and it kills the group.
WATCHER = ["sh", "-c", "trap '' TERM INT HUP; echo; read x; kill -KILL 0"]

_print_lock = threading.Lock()


class LaunchError(ValueError):
    """A command that cannot be started; the message names it."""


def launch(
    command: Sequence[str], workers: int, *, max_restarts: int = 0, grace: float = GRACE
) -> int:
    """Runs `command` as each of `workers` processes; returns the exit status.

    The status is 0 when all succeed, else that of the first worker that fails, 128 + n for signal
    n; the others are then ended. SIGTERM and SIGINT are forwarded to all workers; once one has
    ended, the others have `SAVING` seconds.

    Args:
        command: program and arguments; it finds its TF_CONFIG in the environment.
        workers: how many.
        max_restarts: how often all are restarted, on new ports, after one has failed.
        grace: seconds that the others have to end before they are killed.

    Raises:
        LaunchError: if `command` cannot be started.
    """
    signals: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        signals.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for restart in range(max_restarts + 1):
            group = _Group(command, workers, grace)
            try:
                failed = group.wait(signals)
            finally:
                group.close()
            if failed is None:
                return 0
            worker, status = failed
            ended = f"Worker {worker} ended with exit status {status}"
            if signals or restart == max_restarts:
                break
            _say(f"{ended}; restarting all workers, {restart + 1} of {max_restarts} times.")
        _say(f"{ended}.")
        return status
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Group:
    """Workers that run together, in one process group.

    Raises:
        LaunchError: if `command` cannot be started.
    """

    def __init__(self, command: Sequence[str], workers: int, grace: float) -> None:
        self._grace = grace
        worker_environments = environments(workers, os.environ)
        self._watcher = subprocess.Popen(
            WATCHER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        assert self._watcher.stdout is not None
        self._watcher.stdout.readline()  # from now on it ignores signals
        self._workers: list[subprocess.Popen] = []
        self._printers: list[threading.Thread] = []
        try:
            for index, variables in enumerate(worker_environments):
                self._start(index, command, variables)
        except OSError as error:
            self.close()
            raise LaunchError(f"Cannot run {command[0]!r}: {error.strerror}.") from None

    def wait(self, signals: list[int]) -> tuple[int, int] | None:
        """Waits for the end of all; returns the first that failed and its exit status, or None.

        Args:
            signals: to forward; the list may grow meanwhile.
        """
        sent, failed, until = 0, None, float("inf")
        while self._running() and time.monotonic() < until:
            for number in signals[sent:]:
                _say(f"{signal.Signals(number).name}: forwarded to all workers.")
                self._signal(number)
                sent += 1
            ended = self._ended()
            bad = [(index, status) for index, status in ended if status]
            if bad and failed is None:
                failed = bad[0]
                if not sent:
                    self._signal(signal.SIGTERM)
            if until == float("inf") and (bad or len(ended) == len(self._workers)):
                until = time.monotonic() + (SAVING if sent else self._grace)
            time.sleep(POLL)
        return failed or next(((n, status) for n, status in self._ended() if status), None)

    def close(self) -> None:
        """Kills what is left of the group."""
        self._signal(signal.SIGKILL)
        for process in (*self._workers, self._watcher):
            process.wait()
        for printer in self._printers:
            printer.join(self._grace)
        for pipe in (self._watcher.stdin, self._watcher.stdout):
            assert pipe is not None
            pipe.close()

    def _start(self, index: int, command: Sequence[str], variables: dict[str, str]) -> None:
        process = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=self._watcher.pid,
        )
        self._workers.append(process)
        printer = threading.Thread(target=_print, args=[index, process], daemon=True)
        self._printers.append(printer)
        printer.start()

    def _running(self) -> bool:
        """Whether a worker runs, or a child that it left still holds its output open."""
        return any(p.poll() is None for p in self._workers) or any(
            printer.is_alive() for printer in self._printers
        )

    def _ended(self) -> list[tuple[int, int]]:
        """The workers that have ended, and their exit statuses."""
        codes = [(index, process.poll()) for index, process in enumerate(self._workers)]
        return [(n, code if code >= 0 else 128 - code) for n, code in codes if code is not None]

    def _signal(self, number: int) -> None:
        # The watcher has not been waited for, so no other group can have its number.
        os.killpg(self._watcher.pid, number)


def environments(workers: int, variables: Mapping[str, str]) -> list[dict[str, str]]:
    """The environment of each worker: TF_CONFIG on this machine, and its part of the GPUs."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    parts = gpu_parts(workers, variables)
    made = []
    for index in range(workers):
        task = {"type": "worker", "index": index}
        tf_config = json.dumps({"cluster": {"worker": addresses}, "task": task})
        gpus = {"CUDA_VISIBLE_DEVICES": parts[index]} if parts else {}
        made.append({"PYTHONUNBUFFERED": "1", **variables, "TF_CONFIG": tf_config, **gpus})
    return made


def gpu_parts(workers: int, variables: Mapping[str, str]) -> list[str]:
    """CUDA_VISIBLE_DEVICES of each worker; empty if there are no GPUs.

    Raises:
        LaunchError: if there are fewer GPUs than workers.
    """
    if "CUDA_VISIBLE_DEVICES" in variables:
        listed = [gpu.strip() for gpu in variables["CUDA_VISIBLE_DEVICES"].split(",")]
        gpus = [gpu for gpu in listed if gpu not in ("", "-1")]
    else:
        gpus = [str(n) for n in range(_count_gpus())]
    if not gpus:
        return []
    each = len(gpus) // workers
    if not each:
        raise LaunchError(
            f"{workers} workers cannot share {len(gpus)} GPUs. Give --workers={len(gpus)} or less; "
            f"to try more on the CPU, set CUDA_VISIBLE_DEVICES=-1."
        )
    return [",".join(gpus[n * each : (n + 1) * each]) for n in range(workers)]


def _count_gpus() -> int:
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def free_ports(count: int) -> list[int]:
    """`count` TCP ports of this machine that are free now."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def _print(index: int, process: subprocess.Popen) -> None:
    """Prints each line of a worker after its index, until its output ends."""
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            _write(b"[%d] %s\n" % (index, line.rstrip(b"\n")))


def _say(text: str) -> None:
    _write(f"launch: {text}\n".encode())


def _write(line: bytes) -> None:
    with _print_lock:
        try:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        except OSError:
            pass  # the pipe is closed or the disk full; the workers go on
