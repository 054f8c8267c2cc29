"""What DeFILIP, as it is configured, logs in its first steps, by precision and seed.

python -m tests.training.curves <file> <steps> <precision:seed> ...
"""

import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf import config
from tests.training.runs import epochs


def curves(precision: str, seed: int, steps: int) -> list[dict[str, float]]:
    """What each of `steps` steps logs, under a schedule of as many."""
    keras.backend.clear_session()
    config.parse(
        ["defilip.gin"],
        [
            f"strategy.prepare.precision = '{precision}'",
            f"strategy.prepare.seed = {seed}",
            f"pipeline.Pipeline.seed = {seed}",
            epochs(steps, batch=128, examples=5638),
            "recipe.Recipe.warmup_epochs = 1",
        ],
    )
    strategy = config.build("strategy.prepare")
    with tempfile.TemporaryDirectory() as folder:
        trainer = config.build("train.Trainer", workdir=folder, strategy=strategy)
        trainer.prepare()
        step = tf.function(trainer.method.train_step, autograph=False)
        logs = [step(batch) for batch in trainer.pipeline.batches().take(steps)]
    return [{name: float(value) for name, value in log.items()} for log in logs]


if __name__ == "__main__":
    file, steps, *cases = sys.argv[1:]
    found = {}
    for case in cases:
        precision, seed = case.split(":")
        logged = curves(precision, int(seed), int(steps))
        for name in logged[0]:
            if name.startswith("loss"):
                found[f"{case} {name}"] = [log[name] for log in logged]
    np.savez(file, **found)
