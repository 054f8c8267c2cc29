"""Workers of one training as processes on this machine."""

import os
import subprocess
import sys
from collections.abc import Sequence

from clipbench_tf.distribution.launcher import environments
from tests.training.runs import ROOT


def start(workers: int, command: Sequence[str]) -> list[subprocess.Popen]:
    """Starts `command` as each of `workers`, which find each other by TF_CONFIG."""
    alone = [{**os.environ, "PYTHONUNBUFFERED": "1"}]
    return [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for variables in (environments(workers, os.environ) if workers > 1 else alone)
    ]


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
