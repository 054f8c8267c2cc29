"""What Python and TensorFlow raise if a file cannot be written, and how to report it."""

import re
from collections.abc import Callable

import tensorflow as tf
from absl import logging

WRITE_ERRORS = (OSError, tf.errors.OpError)


def reason(error: Exception) -> str:
    """What `error` says, in one line and without TensorFlow's own names."""
    lines = re.sub(r"{{.*?}} | \[Op:\w+\]", "", str(error)).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


class Attempts:
    """Writes that a run can do without; of consecutive failures only the first is logged."""

    def __init__(self) -> None:
        self._failing = False

    def succeeds(self, write: Callable[[], object], loss: str) -> bool:
        """Calls `write`; returns whether it succeeded. A failure is logged, `loss` first."""
        try:
            write()
        except WRITE_ERRORS as error:
            if not self._failing:
                logging.error("%s: %s", loss, reason(error))
            self._failing = True
        else:
            self._failing = False
        return not self._failing
