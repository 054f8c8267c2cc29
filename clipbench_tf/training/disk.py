"""What Python and TensorFlow raise where a file cannot be written, and how to tell it."""

import re

import tensorflow as tf

WRITE_ERRORS = (OSError, tf.errors.OpError)


def reason(error: Exception) -> str:
    """What `error` says, in one line and without TensorFlow's own names."""
    lines = re.sub(r"{{.*?}} | \[Op:\w+\]", "", str(error)).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
