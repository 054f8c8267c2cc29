"""One training run as a process of its own, which ends when the suite does."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from clipbench_tf.suites.devices import Slot

_SAVING = 60.0  # seconds in which a run saves a checkpoint when it is asked to end
_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


class Child:
    """A run that has begun.

    Args:
        command: program and arguments.
        slot: where it runs.
        log: file that what it prints is added to.

    Raises:
        OSError: if it cannot be started.
    """

    def __init__(self, command: Sequence[str], slot: Slot, log: Path) -> None:
        self.slot, self.log = slot, log
        libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

        def prepare() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # even if the suite is killed
            if os.getppid() != parent:
                os._exit(1)
            if slot.cores:
                os.sched_setaffinity(0, slot.cores)

        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._began_at = output.tell()
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **slot.variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the suite, which passes it on
                preexec_fn=prepare,
            )

    def status(self) -> int | None:
        """Its exit status, 128 + n for signal n; None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def ask_to_stop(self) -> None:
        """Lets it save a checkpoint and end."""
        self._process.terminate()

    def wait(self) -> None:
        """Waits for it to have saved, and kills it if that takes too long."""
        try:
            self._process.wait(_SAVING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 3) -> str:
        """The last lines that it printed."""
        with self.log.open("rb") as file:
            file.seek(self._began_at)
            text = file.read().decode("utf-8", "replace")
        said = [line for line in text.splitlines() if line.strip()]
        return "\n".join(said[-lines:])
