"""Trains all rows of a table under one recipe: clipbench-run-suite --suite=table4 --seeds=3

The same command goes on after an interruption: rows that have a record are not trained again, one
that was interrupted goes on from its checkpoint. A row that fails does not end the suite.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging

from clipbench_tf import tensorflow_log
from clipbench_tf.commands.shared import command_line, stopping
from clipbench_tf.invocation import argv_of

_SUITE = flags.DEFINE_string(
    "suite", None, "table3, table4, table5, or the gin file of another one.", required=True
)
_SCALE = flags.DEFINE_string(
    "scale", "emoji", "What its names stand for: emoji, paper, or a gin file."
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each row, with seeds from 0.", lower_bound=1)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of runs, records, tables and plots. Default: runs/suites/<scale>."
)
_PARALLEL = flags.DEFINE_integer(
    "parallel", 0, "Runs side by side; they share the GPUs, or the cores. Default: one a GPU, or 1."
)
_WORKERS = flags.DEFINE_integer("workers", 1, "Of each run, see clipbench-launch.", lower_bound=1)
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding for all rows, such as 'recipe.Recipe.epochs = 3'. May repeat."
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Only say what differs, and what would be trained.")


def main(argv: list[str]) -> None:
    """Reads the flags, says what differs, trains, and makes tables and plots."""
    logging.set_verbosity(logging.WARNING)
    if len(argv) > 1:
        raise app.UsageError(f"Unknown argument {argv[1]!r}; flags begin with --.")
    try:
        with stopping.heeded() as check:
            failed = _run(check)
    except ValueError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        sys.exit(f"Error: {error.filename}: {error.strerror}. Choose another --output.")
    sys.exit(1 if failed else 0)


def _run(check: Callable[[], None]) -> bool:
    """Whether a row failed."""
    with tensorflow_log.suppressed():
        import tensorflow as tf

        from clipbench_tf.suites import devices, jobs, report, runner, suite
    tf.config.set_visible_devices([], "GPU")  # their memory is for the runs
    slots = devices.slots(_PARALLEL.value)
    found, facts = suite.load(_SUITE.value, _SCALE.value)
    configs = jobs.configurations(found, _GIN_BINDINGS.value)
    jobs.check_fair(found, configs)
    print(report.differences(found, configs), flush=True)
    output = Path(_OUTPUT.value or Path("runs/suites") / facts.scale)
    planned = jobs.jobs(
        found, facts, seeds=_SEEDS.value, output=output, bindings=_GIN_BINDINGS.value
    )
    known = runner.known(planned)
    print(report.plan(planned, known), flush=True)
    if _DRY_RUN.value:
        return False
    run = runner.Runner(
        facts,
        planned,
        slots=slots,
        command=_command(),
        check=check,
        say=lambda text: print(text, flush=True),
    )
    run.run(known)
    print(report.finished(planned, run.failures, output), flush=True)
    return bool(run.failures)


def _command() -> list[str]:
    train = argv_of("train")
    if _WORKERS.value == 1:
        return train
    return [*argv_of("launch"), f"--workers={_WORKERS.value}", "--", *train]


def run() -> None:
    """Starts the command."""
    command_line.run(main)
