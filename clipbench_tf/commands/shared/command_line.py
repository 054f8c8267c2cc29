"""What all commands share: how they start, as a script or as a console command."""

import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import app, flags

from clipbench_tf.commands.shared.stopping import Interrupt


def run(main: Callable[[list[str]], None]) -> None:
    """Parses the command line by the flags of the module of `main`, and calls it.

    `--help` shows the docstring and the flags of that module, whatever file was started.
    """
    module = sys.modules[main.__module__]
    sys.modules["__main__"].__doc__ = module.__doc__
    for flag in flags.FLAGS.get_key_flags_for_module(module.__name__):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored
        signal.signal(signal.SIGINT, Interrupt())
    try:
        app.run(main)
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).name}: interrupted.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def separated(values: Sequence[str]) -> list[str]:
    """The parts between commas, but for those in braces, in options, and in the name of a file."""
    found = []
    for value in values:
        if os.path.exists(value):
            found.append(value)
            continue
        options = re.search(r"\?\w+=", value)
        end = options.start() if options else len(value)
        *others, last = re.split(r",(?![^{]*\})", value[:end])
        found += [*others, last + value[end:]]
    return found
