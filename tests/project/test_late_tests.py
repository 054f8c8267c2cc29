"""`--begin-within`, by which .ci/run keeps to its time."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_begins_too_late_is_skipped_and_counted():
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "tests/project/test_version.py"]
    ended = subprocess.run(
        [*command, "--begin-within=-1"], capture_output=True, text=True, cwd=ROOT
    )
    assert ended.returncode == 0
    assert "no time was left to begin it" in ended.stdout
    assert "skipped" in ended.stdout and "passed" not in ended.stdout
