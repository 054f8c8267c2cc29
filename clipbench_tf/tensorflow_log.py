"""Suppresses TensorFlow's messages at start-up, except errors; for the scripts."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Lines of level I, such as "oneDNN custom operations are on", and the one before the first.
_LINES = r"^(I[0-9]{4} [0-9:.]+ .*\]|WARNING: All log messages before absl::InitializeLog\(\))"
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")  # the second is that of WSL


@contextlib.contextmanager
def suppressed() -> Iterator[None]:
    """Suppresses the messages in this context; import TensorFlow in it, not before.

    Without a GPU driver, or with all GPUs hidden by CUDA_VISIBLE_DEVICES, TensorFlow's errors only
    report that, or repeat a Python exception, so only fatal ones are shown; otherwise all errors
    are. If the user has set TF_CPP_MIN_LOG_LEVEL, it applies instead, and 0 shows everything.
    """
    if os.environ.setdefault(_LEVEL, "2" if _may_have_gpus() else "3") in ("", "0"):
        yield
        return
    with _filtered():
        yield


def _may_have_gpus() -> bool:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and any(Path(device).exists() for device in _DRIVERS)


@contextlib.contextmanager
def _filtered() -> Iterator[None]:
    """Removes `_LINES` from standard error; TensorFlow 2.21 writes them before it reads its level.

    A separate process filters, so that the last messages of a killed process are still shown.
    """
    command = ["grep", "--line-buffered", "--text", "--invert-match", "--extended-regexp", _LINES]
    try:
        reader = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=2, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError:  # a machine without grep
        yield
        return
    assert reader.stdin is not None
    sys.stderr.flush()
    before = os.dup(2)
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        reader.wait()
