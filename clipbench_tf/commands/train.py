"""Trains one method: clipbench-train --gin_file=gin/defilip.gin

The same command continues a run that was stopped.
"""

import sys
import time
from pathlib import Path

from absl import app, flags, logging

from clipbench_tf import config, tensorflow_log
from clipbench_tf.commands.shared import command_line, gin_flags
from clipbench_tf.commands.shared.gin_flags import GIN_BINDINGS, GIN_FILE

flags.adopt_module_key_flags(gin_flags)
_DATASET = flags.DEFINE_multi_string(
    "dataset", [], "Pairs to train on: see docs/data.md. May be repeated. Wins over the gin file's."
)
_EVALUATION_DATASET = flags.DEFINE_string(
    "evaluation_dataset", None, "Pictures with classes to evaluate on. Wins over the gin file's."
)
_STRATEGY = flags.DEFINE_string(
    "strategy", None, "auto, one_device, mirrored or multi_worker. Wins over the gin file's."
)
_WORKER_TIMEOUT = flags.DEFINE_float(
    "worker_timeout", 60.0, "Seconds in which all workers must have started.", lower_bound=1.0
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The run folder. Default: runs/<name of the gin file>."
)


def main(argv: list[str]) -> None:
    """Reads the flags, builds everything, and trains."""
    logging.set_verbosity(logging.WARNING)
    if len(argv) > 1:
        raise app.UsageError(f"Unknown argument {argv[1]!r}; flags begin with --.")
    names = "+".join(Path(file).stem for file in GIN_FILE.value)
    workdir = Path(_WORKDIR.value or Path("runs") / names)
    try:
        with tensorflow_log.suppressed():
            config.parse(GIN_FILE.value, [*GIN_BINDINGS.value, *_chosen()])
            # TensorFlow takes seconds to import.
            from clipbench_tf.callbacks.non_finite import NonFiniteError
            from clipbench_tf.checkpoints.checkpoints import CheckpointError
            from clipbench_tf.data.corrupt import CorruptDataError
            from clipbench_tf.data.sources import DatasetError
            from clipbench_tf.distribution import lost_workers
            from clipbench_tf.training.build_trainer import build_trainer
            from clipbench_tf.training.results import ResultsError
            from clipbench_tf.training.saved_weights import InitializationError
    except ValueError as error:
        sys.exit(f"Error: {error}")

    known = (
        *(CheckpointError, CorruptDataError, DatasetError),
        *(InitializationError, NonFiniteError, ResultsError),
    )
    try:
        try:
            trainer = build_trainer(workdir, timeout=_WORKER_TIMEOUT.value)
        except ValueError as error:
            sys.exit(f"Error: {error}")
        trainer.run(config.operative())
    except known as error:
        sys.exit(f"Error: {error}")
    except lost_workers.LostWorkerError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        time.sleep(lost_workers.LINGER)
        sys.exit(lost_workers.STATUS)


def _chosen() -> list[str]:
    """Bindings of the flags that stand for one."""
    sources = _DATASET.value
    dataset = sources[0] if len(sources) == 1 else dict.fromkeys(sources, 1)
    values = {
        "strategy.prepare.strategy": _STRATEGY.value,
        "pipeline.Pipeline.dataset": dataset,
        "train.Trainer.evaluation_dataset": _EVALUATION_DATASET.value,
    }
    return [f"{name} = {value!r}" for name, value in values.items() if value]


def run() -> None:
    """Starts the command."""
    command_line.run(main)
