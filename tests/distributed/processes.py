"""Workers of one training as processes on this machine."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(
    workers: int, command: Sequence[str], environment: dict[str, str] | None = None
) -> list[subprocess.Popen]:
    """Starts `command` as each of `workers`, which find each other by TF_CONFIG."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    processes = []
    for index in range(workers):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        several = {"TF_CONFIG": json.dumps(task)} if workers > 1 else {}
        processes.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **several, **(environment or {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return processes


def finish(processes: Sequence[subprocess.Popen], timeout: float = 1800) -> list[tuple[int, str]]:
    """Waits for all; the exit status of each, and all that it has printed."""
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, text) for process, text in zip(processes, outputs, strict=True)]


def module(name: str, *arguments: object) -> list[str]:
    """The command that runs a module of the tests."""
    return [sys.executable, "-m", name, *map(str, arguments)]
