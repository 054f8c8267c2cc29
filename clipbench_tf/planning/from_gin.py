"""Builds the trainer of a gin file for planning: no data, no weights, one device."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from clipbench_tf import config
from clipbench_tf.planning import data_set
from clipbench_tf.planning.data_set import Pairs
from clipbench_tf.training.precision import NAME as PRECISION
from clipbench_tf.training.train import Trainer


def build(
    files: Sequence[str],
    bindings: Sequence[str] = (),
    examples: int | None = None,
    fastest: str = "float32",
) -> tuple[Trainer, Pairs]:
    """The trainer that gin `files` and `bindings` describe, and what is known of its data.

    Args:
        files: gin files; later ones win.
        bindings: of gin, after the files.
        examples: pairs in the training data, if not those that are known.
        fastest: the precision that 'auto' stands for.

    Raises:
        ValueError: (ConfigError, DatasetError) as in training, except that data sets may be
            missing; the message names the remedy.
    """
    config.parse(files, bindings)
    split = config.value("pipeline.Pipeline.split", "train")
    known = data_set.pairs(config.value("pipeline.Pipeline.dataset", ""), split, examples)
    chosen = config.value("pipeline.Pipeline.examples")
    if chosen is not None and chosen < known.examples:
        known = dataclasses.replace(known, examples=chosen, source="pipeline.Pipeline.examples")
    scored = [*config.value("train.Trainer.evaluation_splits", ("test", "zero_shot"))]
    scored.append(config.value("train.Trainer.validation_split", "validation"))
    precision = config.value(PRECISION, "auto")
    with tempfile.TemporaryDirectory() as folder, _one_device():
        train = data_set.stand_in(Path(folder, "train"), {split: known.examples})
        score = data_set.stand_in(Path(folder, "evaluation"), dict.fromkeys(scored, 1))
        here = [
            f"pipeline.Pipeline.dataset = {train!r}",
            f"train.Trainer.evaluation_dataset = {score!r}",
            "strategy.prepare.strategy = 'auto'",  # the one in scope
            f"{PRECISION} = {fastest if precision == 'auto' else precision!r}",
        ]
        config.parse(files, [*bindings, *here])
        strategy = config.build("strategy.prepare")
        trainer = config.build("train.Trainer", workdir=Path(folder), strategy=strategy)
        config.check_used()
    return trainer, known


def _one_device():
    """A scope in which `strategy.prepare` looks for no other workers."""
    return tf.distribute.OneDeviceStrategy("/cpu:0").scope()
