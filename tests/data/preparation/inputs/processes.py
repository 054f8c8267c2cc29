"""Waiting for processes, and for what they do."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_for(true: Callable[[], object], seconds: int = 120) -> None:
    for _ in range(10 * seconds):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited for {seconds} seconds")


def runs(process: int) -> bool:
    """Whether a process works; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
