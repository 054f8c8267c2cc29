"""Prepares a data set of image-text pairs, once, for training and evaluation.

clipbench-prepare-data --source='data/{00000..00331}.tar' --output=prepared --filter=quality

Reads any source that training reads, cleans captions, drops what is damaged, too small, filtered
or there twice, and writes TFRecord shards with dataset.json, and manifest.json, which says what
became of every pair. A run that was interrupted goes on when the command is repeated.
"""

import os
import sys

from absl import flags, logging

from clipbench_tf import tensorflow_log
from clipbench_tf.commands.shared import command_line

_SOURCE = flags.DEFINE_string(
    "source",
    None,
    "A table (.csv, .tsv, .jsonl), tars, folders, tfds:<name> or a data set with dataset.json.",
    required=True,
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to be made, here or gs://.", required=True)
_SPLITS = flags.DEFINE_list(
    "splits",
    [],
    "Which splits. Default: all. For a source that is not divided: the name of the only one.",
)
_VALIDATION = flags.DEFINE_float(
    "validation", 0.0, "Share of an undivided source that becomes the split validation."
)
_FILTER = flags.DEFINE_string(
    "filter", "none", "Of captions: none, quality, or 'quality,english_ratio=0.5'."
)
_SIZE = flags.DEFINE_integer(
    "size", None, "Shorter side in pixels that larger pictures are reduced to. Default: none are."
)
_SMALLEST = flags.DEFINE_integer("smallest", 16, "Least shorter side in pixels; others drop out.")
_DROP = flags.DEFINE_list(
    "drop_duplicates",
    ["key", "across", "picture"],
    "Pairs to drop: of the same key or picture in a split; across: in train, of a picture in "
    "another split; caption:N: more than N pairs with the same captions. Empty for none.",
)
_AGAINST = flags.DEFINE_multi_string(
    "against", [], "A data set to be evaluated on: its pictures drop out. May be repeated."
)
_SHARD_PAIRS = flags.DEFINE_integer("shard_pairs", 8192, "Pairs in a shard, about.")
_STATISTICS = flags.DEFINE_bool(
    "statistics", True, "Count the captions as Table 2 does; 170 bytes of memory a distinct word."
)
_WORKERS = flags.DEFINE_integer(
    "workers", None, "Processes on this machine. Default: one a core.", lower_bound=1
)
_RUNNER = flags.DEFINE_string(
    "runner", "DirectRunner", "This machine, or FlinkRunner, SparkRunner, DataflowRunner."
)
_BEAM = flags.DEFINE_multi_string(
    "beam_option", [], "A flag of Beam, as in --beam_option=--region=europe-west4. May be repeated."
)


def main(argv: list[str]) -> None:
    """Prepares as the flags say; one line and exit status 1 for what cannot be done."""
    if len(argv) > 1:
        sys.exit(f"Error: {argv[1]!r} is no flag; see --help.")
    logging.set_verbosity(logging.WARNING)
    # Processes share the cores; threads of their own would only take turns.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        with tensorflow_log.suppressed():
            from clipbench_tf.data.preparation.engine.beam_run import Where
            from clipbench_tf.data.preparation.options import Options
            from clipbench_tf.data.preparation.prepare import prepare

        options = Options(
            source=_SOURCE.value,
            splits=tuple(_SPLITS.value),
            validation=_VALIDATION.value,
            filter=_FILTER.value,
            size=_SIZE.value,
            smallest=_SMALLEST.value,
            drop_duplicates=tuple(_DROP.value),
            against=tuple(_AGAINST.value),
            shard_pairs=_SHARD_PAIRS.value,
            statistics=_STATISTICS.value,
        )
        workers = _WORKERS.value or len(os.sched_getaffinity(0))
        prepare(options, _OUTPUT.value, Where(_RUNNER.value, workers, tuple(_BEAM.value)))
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.exit(f"Error: {error}")


def run() -> None:
    """Starts the command."""
    command_line.run(main)
