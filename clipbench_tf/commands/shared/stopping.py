"""Ctrl-C and SIGTERM, heeded where a command can stop."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """What Ctrl-C calls: raises KeyboardInterrupt, and remembers it.

    Python drops an exception in a destructor or another callback, wherever Ctrl-C happens to meet
    one; what follows can look here.

    Attributes:
        received: whether there was a Ctrl-C.
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        raise KeyboardInterrupt


@contextlib.contextmanager
def heeded() -> Iterator[Callable[[], None]]:
    """Within, the first such signal is kept for `check`, and a second one ends the process at once.

    An exception that a signal raises anywhere may arise within TensorFlow, which then aborts.

    Yields:
        `check`, which raises SystemExit(128 + the signal's number) if there was a signal.
    """
    taken: list[int] = []

    def take(number: int, frame: FrameType | None) -> None:
        if taken:
            sys.exit(128 + number)
        taken.append(number)

    def check() -> None:
        if taken:
            sys.exit(128 + taken[0])

    before = {number: signal.signal(number, take) for number in _SIGNALS}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
