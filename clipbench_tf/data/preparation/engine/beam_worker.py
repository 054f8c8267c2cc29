"""A worker process of Beam's runner on this machine, which never outlives the one that started it.

Beam's own `sdk_worker_main` finishes its share of the work, be it hours, when it is interrupted or
its starter is killed.
"""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from clipbench_tf import tensorflow_log

PERIOD = 0.5  # seconds between two looks at the starter


def main(folder: str, starter: str) -> None:
    """Works until told to end.

    Args:
        folder: gets a file named by the id of this process, which is removed when it ends well.
        starter: id of the process that started this one.
    """
    mark = Path(folder) / str(os.getpid())
    mark.touch()
    _follow_at_once()
    threading.Thread(target=_follow, args=[int(starter)], daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter decides what Ctrl-C does
    logging.disable(logging.ERROR)  # an error of a step is told by the starter
    with tensorflow_log.suppressed():
        import tensorflow  # noqa: F401
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])
    mark.unlink(missing_ok=True)


def _follow_at_once() -> None:
    """Has the kernel kill this process with its starter, where it is Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _follow(starter: int) -> None:
    """Ends this process at once when its starter has ended."""
    while os.getppid() == starter:
        time.sleep(PERIOD)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
