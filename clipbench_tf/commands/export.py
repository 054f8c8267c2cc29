"""Writes a trained or converted model for serving, from its folder alone.

  clipbench-export --model=runs/clip --output=clip_half --weights=bfloat16
  clipbench-export --model=weights/vit_b32 --output=pets --classnames=pets.txt --prompts=clip80
  clipbench-export --model=runs/clip/saved_model --output=clip_texts --tower=text
  clipbench-export --model=runs/clip --output=clip_onnx --format=onnx

--model is the folder of a run, finished or not, of a conversion or of a SavedModel. The SavedModel
in --output computes in float32, however its weights are stored, and has the same signatures as one
that a run leaves; --tower leaves out those that need the other tower. The other formats hold the
towers alone, from pixels and ids to embeddings, and `usage.json`, which says how to feed them.
"""

import importlib
import sys
from pathlib import Path

from absl import flags, logging

from clipbench_tf import tensorflow_log
from clipbench_tf.commands.shared import command_line

# Other formats: the module of each, whose `write` returns the lines to print.
RUNTIMES = {
    "keras": "clipbench_tf.export.runtimes.keras_models",
    "onnx": "clipbench_tf.export.runtimes.onnx_models",
    "litert": "clipbench_tf.export.runtimes.litert_models",
}

_MODEL = flags.DEFINE_string(
    "model", None, "Folder of a run, of a conversion or of a SavedModel.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_FORMAT = flags.DEFINE_enum("format", "saved_model", ["saved_model", *RUNTIMES], "What to write.")
_WEIGHTS = flags.DEFINE_enum(
    "weights",
    "float32",
    ["float32", "bfloat16", "float16"],
    "saved_model: how the weights are stored; the two last halve the files.",
)
_TOWER = flags.DEFINE_enum(
    "tower", "both", ["both", "image", "text"], "saved_model: both towers, or one alone."
)
_CLASSNAMES = flags.DEFINE_string(
    "classnames",
    None,
    "saved_model: file with a class name a line, or imagenet for CLIP's. Default: those of the "
    "model.",
)
_PROMPTS = flags.DEFINE_string(
    "prompts",
    None,
    "saved_model: clip80, clip8, clip1, or a file with a prompt a line and {} for the name. "
    "Default: those of the model.",
)


def main(argv: list[str]) -> None:
    """Writes as the flags say; one line and exit status 1 for what cannot be written."""
    if len(argv) > 1:
        sys.exit(f"Error: {argv[1]!r} is no flag; see --help.")
    logging.set_verbosity(logging.WARNING)
    try:
        _check()
        lines = _written()
    except ValueError as error:  # what the library raises for inputs that cannot be used
        sys.exit(f"Error: {error}")
    print("\n".join([*lines, f"Wrote {_OUTPUT.value}."]))


def _check() -> None:
    """Looks at what can be seen without TensorFlow.

    Raises:
        ValueError: for a model that is not there, or flags that do not go together.
    """
    if not Path(_MODEL.value).is_dir():
        raise ValueError(f"There is no folder {_MODEL.value!r}; give that of a run or an export.")
    for flag in (_WEIGHTS, _TOWER, _CLASSNAMES, _PROMPTS):
        if _FORMAT.value != "saved_model" and flag.value != flag.default:
            raise ValueError(f"--{flag.name} is for --format=saved_model alone.")
    for flag in (_CLASSNAMES, _PROMPTS):
        if _TOWER.value != "both" and flag.value:
            raise ValueError(f"--{flag.name} needs both towers; leave --tower={_TOWER.value} out.")


def _written() -> list[str]:
    """Writes the model; returns lines to print."""
    with tensorflow_log.suppressed():
        from clipbench_tf.conversion.output import refuse_existing, written
        from clipbench_tf.restoration import exported_again
        from clipbench_tf.restoration.restored import restored

    output = Path(_OUTPUT.value)
    if _FORMAT.value != "saved_model":
        refuse_existing(output)
        model = restored(_MODEL.value)
        write = importlib.import_module(RUNTIMES[_FORMAT.value]).write
        with written(output) as folder:
            return write(model.encoders, folder, templates=model.card.get("templates", ()))
    model = restored(_MODEL.value)
    return exported_again.write(
        model,
        output,
        weights=_WEIGHTS.value,
        tower=_TOWER.value,
        classnames=_CLASSNAMES.value,
        prompts=_PROMPTS.value,
    )


def run() -> None:
    """Starts the command."""
    command_line.run(main)
