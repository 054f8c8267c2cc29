"""Our speed beside a peer's, measured in the same run: clipbench-benchmark similarity

Prints one JSON object for each case. What is compared stands at the head of the file of that name
in clipbench_tf/benchmarks. The peers come with `pip install '.[bench]'`.
"""

import json
import sys

from absl import flags

from clipbench_tf import tensorflow_log
from clipbench_tf.benchmarks import catalogue, training_step
from clipbench_tf.benchmarks.harness.contender import ContenderError
from clipbench_tf.commands.shared import command_line

# A flag that is not given leaves the benchmark its own default.
flags.DEFINE_list("batch", None, "similarity, training_step: pairs, a case for each.")
flags.DEFINE_list(
    "precision", None, "similarity, training_step, zero_shot: float32, bfloat16 or both."
)
flags.DEFINE_enum(
    "peer", None, ["transformers", "open_clip"], "zero_shot, training_step: who stands beside ours."
)
flags.DEFINE_enum("model", None, training_step.MODELS, "training_step: the image encoder.")
flags.DEFINE_bool("methods", None, "training_step: all five methods instead, ours alone.")
flags.DEFINE_bool("memory", None, "training_step: peak memory and what saves it, ours alone.")
flags.DEFINE_string("saved_model", None, "serving: the folder of an export.")
_OTHERS = ("batch", "precision", "peer", "model", "methods", "memory", "saved_model")
_NUMBERS = {
    "repetitions": "Of which the medians are taken.",
    "gathered": "similarity: texts of all replicas that 128 pictures meet; 0 leaves it out.",
    "captions": "tokenizer: in one repetition.",
    "pictures": "input_pipeline, preparation, reading: in one repetition.",
    "prompts": "zero_shot: encoded in one repetition.",
    "images": "zero_shot: classified in one repetition.",
    "requests": "serving: in the check of memory.",
}
for _name, _help in _NUMBERS.items():
    flags.DEFINE_integer(_name, None, _help, lower_bound=0 if _name == "gathered" else 1)
flags.register_validator(
    "batch", lambda v: all(s.isdecimal() and int(s) for s in v or []), "must be numbers above 0"
)
flags.register_validator(
    "precision", lambda v: set(v or []) <= {"float32", "bfloat16"}, "is float32 or bfloat16"
)


def main(argv: list[str]) -> None:
    """Runs the benchmark that is named; one line and exit status 1 for what does not exist."""
    if len(argv) != 2:
        sys.exit(f"Error: give the name of one benchmark: {', '.join(catalogue.NAMES)}.")
    values = {
        name: flags.FLAGS[name].value
        for name in (
            "batch",
            "precision",
            "peer",
            "model",
            "methods",
            "memory",
            "saved_model",
            *_NUMBERS,
        )
    }
    options = {name: value for name, value in values.items() if value is not None}
    if "batch" in options:
        options["batch"] = [int(size) for size in options["batch"]]
    try:
        with tensorflow_log.suppressed():
            records = catalogue.cases(argv[1], options)
        for record in records:
            print(json.dumps(record), flush=True)
    except (ValueError, ContenderError) as error:
        sys.exit(f"Error: {error}")


def run() -> None:
    """Starts the command."""
    command_line.run(main)
