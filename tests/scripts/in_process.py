"""Runs a script's `main` in this process, where TensorFlow has been imported already."""

import contextlib
import io
import os
import runpy
import sys
import traceback
from pathlib import Path
from unittest import mock

from absl import flags, logging

from tests.training.runs import ROOT, command


def run(script: str, *arguments: str) -> tuple[int, str, str]:
    """Calls scripts/<script> with `arguments` from the root of the repository.

    What is tested of the process itself (its exit status, its start, its signals) needs a process:
    see `tests.training.runs`.

    Returns:
        The exit status, and what was printed on standard output and on standard error.
    """
    known, verbosity = set(flags.FLAGS), logging.get_verbosity()
    output, errors, status = io.StringIO(), io.StringIO(), 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(ROOT))
        stack.enter_context(mock.patch.dict(os.environ))
        stack.enter_context(mock.patch.object(sys, "path", list(sys.path)))
        stack.callback(logging.set_verbosity, verbosity)
        stack.callback(_forget_flags, known)
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(errors))
        try:
            for name in [n for n in sys.modules if n.startswith("clipbench_tf.commands.")]:
                del sys.modules[name]  # its flags are defined anew
            main = runpy.run_path(f"scripts/{script}")["main"]
            main(flags.FLAGS([script, *arguments]))
        except SystemExit as end:
            status = _status(end, errors)
        except Exception:
            traceback.print_exc()
            status = 1
    return status, output.getvalue(), errors.getvalue()


def train(workdir: Path, *bindings: str, gin_file: str = "gin/clip.gin") -> tuple[int, str]:
    """As `tests.training.runs.run`; returns the exit status and all that was printed."""
    _, _, *arguments = command(workdir, *bindings, gin_file=gin_file)
    status, output, errors = run("train.py", *arguments)
    return status, output + errors


def _status(end: SystemExit, errors: io.StringIO) -> int:
    """As the interpreter treats `end`: a text is an error, printed."""
    if isinstance(end.code, str):
        errors.write(f"{end.code}\n")
        return 1
    return end.code or 0


def _forget_flags(known: set[str]) -> None:
    """Scripts have flags of the same names."""
    for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()
