"""Evaluates exported models, driven by their SavedModels alone.

Zero-shot accuracy on the embedded data set, or on pictures in a folder for each class:

  clipbench-evaluate --saved_model=runs/defilip/saved_model --dataset=emoji
  clipbench-evaluate --saved_model=runs/clip/saved_model --dataset=data/pets

ImageNet with CLIP's names and prompts; two models on two data sets, which are then compared:

  clipbench-evaluate --saved_model=vit/saved_model --dataset=imagenet/val --prompts=clip80
  clipbench-evaluate --saved_model=runs/clip/saved_model,runs/filip/saved_model --dataset=emoji,pets

Retrieval of captions by pictures, and of pictures by captions; probes of the frozen features:

  clipbench-evaluate --saved_model=runs/clip/saved_model --dataset=pairs.csv --tasks=retrieval
  clipbench-evaluate --saved_model=runs/clip/saved_model --tasks=linear_probe --shots=1,4,all

What has a record of the same inputs is not evaluated again; what was stopped goes on. Exit status 1
if any evaluation failed; the others are done all the same.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags, logging

from clipbench_tf import tensorflow_log
from clipbench_tf.assessment.names import TASKS
from clipbench_tf.commands.shared import command_line, stopping
from clipbench_tf.export import card

_MODEL = flags.DEFINE_multi_string(
    "saved_model", None, "Folders of SavedModels that runs left, with commas.", required=True
)
_DATASET = flags.DEFINE_multi_string(
    "dataset",
    "emoji",
    "Data sets, with commas: an embedded one, a folder with one or with a folder for each class, "
    ".tar files, a table, tfds:<name>. What follows options behind a question mark is theirs; give "
    "the flag once more for another data set.",
)
_TASKS = flags.DEFINE_list("tasks", "zero_shot", f"What to evaluate: {', '.join(TASKS)}.")
_SPLITS = flags.DEFINE_list(
    "splits", None, "Which splits to score. Default: test and zero_shot, or what else there is."
)
_CLASSNAMES = flags.DEFINE_string(
    "classnames",
    None,
    "File with the names of the classes, or imagenet for CLIP's. Default: those of the data set.",
)
_PROMPTS = flags.DEFINE_string(
    "prompts",
    None,
    "clip80, clip8, clip1, or a file with a prompt a line and {} for the name. Default: "
    "those of the data set.",
)
_TRAIN_SPLIT = flags.DEFINE_string("train_split", "train", "What probes learn from.")
_SHOTS = flags.DEFINE_list(
    "shots", "all", "Pictures of each class that linear probes learn from, as in 1,4,all."
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder for record.json and the other files; with several models, data sets or tasks, for a "
    "folder for each. Default: evaluation-<dataset> beside the model.",
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "Pictures encoded together.", lower_bound=1)
_DEVICES = flags.DEFINE_list(
    "devices", [], "Which share the pictures, as in GPU:0,GPU:1. Default: all GPUs, or the CPU."
)


def main(argv: list[str]) -> None:
    """Evaluates as the flags say; one line and exit status 1 for inputs that cannot be used."""
    if len(argv) > 1:
        sys.exit(f"Error: {argv[1]!r} is no flag; see --help.")
    logging.set_verbosity(logging.WARNING)
    models = [Path(model) for model in command_line.separated(_MODEL.value)]
    try:
        _check(models)  # TensorFlow takes seconds to import
        with tensorflow_log.suppressed():
            from clipbench_tf.assessment.assess import assess
            from clipbench_tf.assessment.task import Options

        with stopping.heeded() as check:
            failed = assess(
                models,
                datasets=command_line.separated(_DATASET.value),
                tasks=_TASKS.value,
                options=Options(
                    splits=_SPLITS.value,
                    batch_size=_BATCH_SIZE.value,
                    train_split=_TRAIN_SPLIT.value,
                    shots=_shots(_SHOTS.value),
                ),
                classnames=_CLASSNAMES.value,
                prompts=_PROMPTS.value,
                output=Path(_OUTPUT.value) if _OUTPUT.value else None,
                on_devices=_DEVICES.value,
                check=check,
            )
    except ValueError as error:  # what the library raises for inputs that cannot be used
        sys.exit(f"Error: {error}")
    if failed:
        sys.exit("\n".join(f"Error: {line}" for line in failed))


def _shots(values: Sequence[str]) -> list[int | None]:
    """Numbers of pictures, and None for "all".

    Raises:
        ValueError: for anything else.
    """
    if wrong := [v for v in values if v != "all" and not (v.isdecimal() and int(v))]:
        raise ValueError(f"--shots cannot be {wrong[0]!r}; give numbers from 1 on, or all.")
    return [None if value == "all" else int(value) for value in values]


def _check(models: Sequence[Path]) -> None:
    """Looks at what can be seen without TensorFlow.

    Raises:
        ValueError: for a folder without an export, or a misspelt task.
    """
    for model in models:
        card.read(model)
    for task in _TASKS.value:
        if task not in TASKS:
            raise ValueError(f"There is no task {task!r}; there are {', '.join(TASKS)}.")


def run() -> None:
    """Starts the command.

    One that a signal stopped ends at once: threads of TensorFlow that still read data may wait for
    the interpreter while it, at its end, waits for them.
    """
    try:
        command_line.run(main)
    except SystemExit as end:
        if end.code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code)
        raise
