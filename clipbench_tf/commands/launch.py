"""Starts several workers on this machine, which train one model together.

clipbench-launch --workers=2 -- clipbench-train --gin_file=gin/clip.gin

Every line that a worker prints follows its number. When one fails, all others are ended, and the
exit status is that of the first failure, 128 + the number of a signal.
"""

import sys

from absl import app, flags

from clipbench_tf.commands.shared import command_line
from clipbench_tf.distribution import launcher

_WORKERS = flags.DEFINE_integer("workers", None, "How many.", lower_bound=1, required=True)
_MAX_RESTARTS = flags.DEFINE_integer(
    "max_restarts", 0, "How often all are started anew after one has failed.", lower_bound=0
)


def main(argv: list[str]) -> None:
    """Runs the command as each worker; leaves with their exit status."""
    if len(argv) < 2:
        raise app.UsageError("No command: give it after --, as in -- clipbench-train ...")
    try:
        sys.exit(launcher.launch(argv[1:], _WORKERS.value, max_restarts=_MAX_RESTARTS.value))
    except launcher.LaunchError as error:
        sys.exit(f"Error: {error}")


def run() -> None:
    """Starts the command."""
    command_line.run(main)
