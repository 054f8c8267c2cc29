"""What a recipe costs before it is run: clipbench-plan --gin_file=gin/defilip.gin

Prints parameters, operations, memory, traffic and time on a number of devices, by a written model
(clipbench_tf/planning), and what to change where a device has too little memory. Needs neither the
data set nor the devices. Exit status 0 if the recipe fits, 3 if not, 1 for what cannot run.
"""

import json
import os
import sys

from absl import app, flags, logging

from clipbench_tf import tensorflow_log
from clipbench_tf.commands.shared import command_line, gin_flags
from clipbench_tf.commands.shared.gin_flags import GIN_BINDINGS, GIN_FILE
from clipbench_tf.planning.costs import devices

flags.adopt_module_key_flags(gin_flags)
_DEVICES = flags.DEFINE_integer("devices", 1, "Number of devices that share the batch.")
_DEVICE = flags.DEFINE_string("device", "a100", "What they are: a100-80g, h100, cpu, ...")
_EXAMPLES = flags.DEFINE_integer(
    "examples", None, "Pairs in the data set. Default: what dataset.json or the paper says."
)
_TEXT_LENGTH = flags.DEFINE_integer(
    "text_length", None, "Positions of the longest caption in a batch. Default: the whole context."
)
_JSON = flags.DEFINE_bool("json", False, "One JSON object instead of tables.")


def main(argv: list[str]) -> None:
    """Reads the flags and prints the plan."""
    logging.set_verbosity(logging.ERROR)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # a plan takes no GPU from anybody
    if len(argv) > 1:
        raise app.UsageError(f"Unknown argument {argv[1]!r}; flags begin with --.")
    try:
        device = devices.find(_DEVICE.value)
    except ValueError as error:
        sys.exit(f"Error: {error}")
    with tensorflow_log.suppressed():
        from clipbench_tf.planning import planner  # takes seconds, as TensorFlow starts

    try:
        made = planner.plan_recipe(
            GIN_FILE.value,
            GIN_BINDINGS.value,
            device=device,
            count=_DEVICES.value,
            examples=_EXAMPLES.value,
            text_length=_TEXT_LENGTH.value,
        )
    except ValueError as error:
        sys.exit(f"Error: {error}")
    print(json.dumps(made.as_dict()) if _JSON.value else made.text())
    sys.exit(0 if made.plan.fits else 3)


def run() -> None:
    """Starts the command."""
    command_line.run(main)
