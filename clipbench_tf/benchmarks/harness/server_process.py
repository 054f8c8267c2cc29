"""The server of `scripts/serve.py`, as a process that a benchmark asks."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from clipbench_tf.benchmarks.harness.contender import ContenderError

_ROOT = Path(__file__).parents[3]
_COMMAND = "from clipbench_tf.commands.serve import run; run()"


class ServerProcess:
    """A server of `saved_model` on a free port, as a context manager that ends it.

    Args:
        saved_model: folder of an export.
        flags: of serve.py.

    Raises:
        ContenderError: when entered, if the server does not start.

    Attributes:
        port: of the server on this machine.
        path: of the model in URLs.
    """

    def __init__(self, saved_model: str, *flags: str) -> None:
        self._arguments = [f"--saved_model={saved_model}", "--port=0", *flags]
        self.port, self.path = 0, ""

    def __enter__(self) -> "ServerProcess":
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *self._arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.match(r"Ready: http://[^/]*:(\d+)(/[^\s;]+)", line):
                self.port, self.path = int(found[1]), found[2]
                return self
        self._process.wait()
        raise ContenderError("The server did not start; its error is above.")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def megabytes(self) -> float:
        """The memory (RSS) of the server now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return round(int(found[1]) / 1024, 1) if found else 0.0

    def cpu_seconds(self) -> float:
        """Seconds of all cores that the server has used."""
        times = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
