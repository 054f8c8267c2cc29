"""A gin file's training run, built for planning: no data, no weights, one device."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import gin
import tensorflow as tf

from clipbench_tf import config
from clipbench_tf.planning import data_set
from clipbench_tf.planning.data_set import Pairs
from clipbench_tf.training.train import Trainer


def build(
    files: Sequence[str], bindings: Sequence[str] = (), examples: int | None = None
) -> tuple[Trainer, Pairs]:
    """The trainer that gin `files` and `bindings` describe, and what is known of its data.

    All that training would refuse is refused, except for data sets that are not here.

    Raises:
        ValueError: (ConfigError, DatasetError) for what cannot run; the message names the remedy.
    """
    config.parse(files, bindings)
    split = _bound("pipeline.Pipeline.split", "train")
    known = data_set.pairs(_bound("pipeline.Pipeline.dataset", ""), split, examples)
    scored = [*_bound("train.Trainer.evaluation_splits", ("test", "zero_shot"))]
    scored.append(_bound("train.Trainer.validation_split", "validation"))
    with tempfile.TemporaryDirectory() as folder, _one_device():
        train = data_set.stand_in(Path(folder, "train"), {split: known.examples})
        score = data_set.stand_in(Path(folder, "evaluation"), dict.fromkeys(scored, 1))
        here = [
            f"pipeline.Pipeline.dataset = {train!r}",
            f"train.Trainer.evaluation_dataset = {score!r}",
            "runtime.prepare.strategy = 'auto'",  # that in scope
        ]
        config.parse(files, [*bindings, *here])
        strategy = config.build("runtime.prepare")
        trainer = config.build("train.Trainer", workdir=Path(folder), strategy=strategy)
        config.check_used()
    return trainer, known


def _bound(name: str, default):
    """What gin binds to `name`, through macros."""
    try:
        value = gin.query_parameter(name)
    except ValueError:
        return default
    return value.scoped_configurable_fn() if hasattr(value, "scoped_configurable_fn") else value


def _one_device():
    """A scope in which `runtime.prepare` looks for no other workers."""
    return tf.distribute.OneDeviceStrategy("/cpu:0").scope()
