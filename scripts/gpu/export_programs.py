"""Writes training steps, towers and FILIP's similarity for a GPU that has JAX, not TensorFlow.

  python scripts/gpu/export_programs.py --out=programs [--only=clip_vit]

needs no GPU, but JAX to convert (`pip install jax`). `run_programs.py` runs them.
"""

import sys
from pathlib import Path

from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a bare checkout

from clipbench_tf import tensorflow_log
from clipbench_tf.benchmarks.programs import catalogue
from clipbench_tf.benchmarks.programs.stablehlo import ProgramError

_OUT = flags.DEFINE_string("out", None, "The folder of the programs.", required=True)
_ONLY = flags.DEFINE_string("only", "", "Regular expression of the programs' names.")
_BATCH = flags.DEFINE_integer("batch", catalogue.BATCH, "Pairs of the replica.", lower_bound=1)
_TEXTS = flags.DEFINE_integer("texts", catalogue.TEXTS, "Gathered texts.", lower_bound=1)


def main(argv: list[str]) -> None:
    """Writes the programs; prints a line for each."""
    del argv
    try:
        with tensorflow_log.suppressed():
            for name in catalogue.write(Path(_OUT.value), _ONLY.value, _BATCH.value, _TEXTS.value):
                print(f"Wrote {name}.", flush=True)
    except (ProgramError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    app.run(main)
