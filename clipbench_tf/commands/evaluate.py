"""Zero-shot evaluation of an exported model, driven by its SavedModel alone.

clipbench-evaluate --saved_model=runs/defilip/saved_model --dataset=emoji
"""

import sys
from pathlib import Path

from absl import flags

from clipbench_tf import tensorflow_log
from clipbench_tf.commands import command_line
from clipbench_tf.export import card

_MODEL = flags.DEFINE_string(
    "saved_model", None, "Folder of the SavedModel that a run left.", required=True
)
_DATASET = flags.DEFINE_string(
    "dataset", "emoji", "An embedded data set, a folder with one, or a folder for each class."
)
_SPLITS = flags.DEFINE_list(
    "splits", None, "Which splits to score. Default: test and zero_shot, or what else there is."
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder for record.json and predictions.png. Default: evaluation-<dataset> beside the model.",
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "Pictures encoded together.", lower_bound=1)


def main(argv: list[str]) -> None:
    """Evaluates as the flags say; one line and exit status 1 for inputs that cannot be used."""
    if len(argv) > 1:
        sys.exit(f"Error: {argv[1]!r} is no flag; see --help.")
    model = Path(_MODEL.value)
    name = Path(_DATASET.value.partition("?")[0]).resolve().name
    beside = model.resolve().parent / f"evaluation-{name}"
    output = Path(_OUTPUT.value) if _OUTPUT.value else beside
    try:
        card.read(model)  # TensorFlow takes seconds to import: first see whether there is a model
        with tensorflow_log.suppressed():
            from clipbench_tf.export.evaluate import evaluate

        evaluate(
            model,
            dataset=_DATASET.value,
            splits=_SPLITS.value,
            output=output,
            batch_size=_BATCH_SIZE.value,
        )
    except ValueError as error:  # what the library raises for inputs that cannot be used
        sys.exit(f"Error: {error}")


def run() -> None:
    """Starts the command."""
    command_line.run(main)
