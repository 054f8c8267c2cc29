"""Starts the workers of one machine, and ends them all when one fails."""

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
SAVING = 60.0  # seconds that others have to end in once one has obeyed a signal
POLL = 0.05  # seconds

# Leads the process group of the workers and outlives signals to it; when this process is gone, even
# by SIGKILL, it reads the end of its input and takes the group with it.
WATCHER = ["sh", "-c", "trap '' TERM INT HUP; echo; read x; kill -KILL 0"]

_printing = threading.Lock()


class LaunchError(ValueError):
    """A command that cannot be started; the message names it."""


def launch(
    command: Sequence[str], workers: int, *, max_restarts: int = 0, grace: float = GRACE
) -> int:
    """Runs `command` as each of `workers` processes; returns the exit status.

    That is 0 when all succeed, else that of the first that fails, 128 + its number for a signal.
    The others are then ended. SIGTERM and SIGINT are passed on to all workers, which are waited
    for.

    Args:
        command: program and arguments; it finds its TF_CONFIG in the environment.
        workers: how many.
        max_restarts: how often all are started anew, on new ports, after one has failed.
        grace: seconds that the others have to end in before they are killed.

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
            say = f"Worker {worker} ended with exit status {status}"
            if signals or restart == max_restarts:
                break
            _say(f"{say}; starting all anew, {restart + 1} of {max_restarts} times.")
        _say(f"{say}.")
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
        made = environments(workers, os.environ)
        self._watcher = subprocess.Popen(
            WATCHER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        assert self._watcher.stdout is not None
        self._watcher.stdout.readline()  # it minds no signal from now on
        self._workers: list[subprocess.Popen] = []
        self._printers: list[threading.Thread] = []
        try:
            for index, variables in enumerate(made):
                self._start(index, command, variables)
        except OSError as error:
            self.close()
            raise LaunchError(f"Cannot run {command[0]!r}: {error.strerror}.") from None

    def wait(self, signals: list[int]) -> tuple[int, int] | None:
        """Waits for the end of all; returns the first that failed and its exit status, or None.

        Args:
            signals: to be passed on; more may come.
        """
        sent, failed, until = 0, None, float("inf")
        while self._running() and time.monotonic() < until:
            for number in signals[sent:]:
                _say(f"{signal.Signals(number).name}: passed on to all workers.")
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
        """Leaves no process of the group."""
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
        """Whether a worker runs, or what it left behind still holds its output."""
        return any(p.poll() is None for p in self._workers) or any(
            printer.is_alive() for printer in self._printers
        )

    def _ended(self) -> list[tuple[int, int]]:
        """Workers that are no more, and their exit statuses."""
        codes = [(index, process.poll()) for index, process in enumerate(self._workers)]
        return [(n, code if code >= 0 else 128 - code) for n, code in codes if code is not None]

    def _signal(self, number: int) -> None:
        # Nobody has waited for the watcher, hence the number of its group is no one else's.
        os.killpg(self._watcher.pid, number)


def environments(workers: int, variables: Mapping[str, str]) -> list[dict[str, str]]:
    """The environment of each worker: addresses on this machine, and its part of the GPUs."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    parts = gpu_parts(workers, variables)
    made = []
    for index in range(workers):
        task = {"type": "worker", "index": index}
        told = json.dumps({"cluster": {"worker": addresses}, "task": task})
        gpus = {"CUDA_VISIBLE_DEVICES": parts[index]} if parts else {}
        made.append({"PYTHONUNBUFFERED": "1", **variables, "TF_CONFIG": told, **gpus})
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
            f"to try more on the CPU, set CUDA_VISIBLE_DEVICES to nothing."
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
    """Ports of this machine that nobody uses now."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def _print(index: int, process: subprocess.Popen) -> None:
    """Prints each line of a worker behind its number, to the last one."""
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            _write(b"[%d] %s\n" % (index, line.rstrip(b"\n")))


def _say(text: str) -> None:
    _write(f"launch: {text}\n".encode())


def _write(line: bytes) -> None:
    with _printing:
        try:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        except OSError:
            pass  # nobody reads any more, or a disk is full; the workers go on
