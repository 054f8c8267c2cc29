"""Converts published weights into a model of this package, without running anything in a file.

  clipbench-convert --from=openai --checkpoint=ViT-B-32.pt --output=weights/vit_b32
  clipbench-convert --from=declip --checkpoint=filip_vit.pth.tar --output=weights/filip
  clipbench-convert --from=open_clip --checkpoint=model.safetensors --config=ViT-B-32.json ...

The folder holds saved_model/, which clipbench-evaluate takes, checkpoints/ and model.gin to train
from, and conversion.json, which tells what became of every weight. And back, from the folder of a
run, of a conversion or of a SavedModel, into a folder that the library loads:

  clipbench-convert --to=transformers --checkpoint=runs/clip --output=clip_for_transformers
"""

import sys
from pathlib import Path

from absl import flags, logging

from clipbench_tf import tensorflow_log
from clipbench_tf.commands.shared import command_line
from clipbench_tf.conversion.names.libraries import Origin, Target

_FROM = flags.DEFINE_enum("from", None, [*Origin], "Who published the weights.")
_TO = flags.DEFINE_enum("to", None, [*Target], "Which library is to load the weights.")
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "File or folder of the weights; with --from=keras_hub, also the name of a preset.",
    required=True,
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the converted model.", required=True)
_CONFIG = flags.DEFINE_string(
    "config", None, "open_clip's model configuration, unless open_clip_config.json is beside."
)


def main(argv: list[str]) -> None:
    """Converts as the flags say; one line and exit status 1 for what cannot be converted."""
    if len(argv) > 1:
        sys.exit(f"Error: {argv[1]!r} is no flag; see --help.")
    logging.set_verbosity(logging.WARNING)
    try:
        origin, target = _FROM.value, _TO.value
        if origin and not target:
            lines = _read(origin)
        elif target and not origin:
            lines = _written(target)
        else:
            raise ValueError("Give either --from or --to, and not both.")
    except ValueError as error:  # what the library raises for inputs that cannot be used
        sys.exit(f"Error: {error}")
    print("\n".join([*lines, f"Wrote {_OUTPUT.value}."]))


def _read(origin: str) -> list[str]:
    with tensorflow_log.suppressed():
        from clipbench_tf.conversion.convert import convert, summary
        from clipbench_tf.data.readers.labelled import imagenet

    account = convert(
        origin,
        Path(_CHECKPOINT.value),
        Path(_OUTPUT.value),
        classes=list(imagenet.names().values()),
        templates=["a photo of a {}."],
        config=Path(_CONFIG.value) if _CONFIG.value else None,
    )
    return summary(account)


def _written(target: str) -> list[str]:
    with tensorflow_log.suppressed():
        from clipbench_tf.conversion import targets

    return targets.write(target, Path(_CHECKPOINT.value), Path(_OUTPUT.value))


def run() -> None:
    """Starts the command."""
    command_line.run(main)
