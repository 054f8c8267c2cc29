"""Exports and data sets for the tests of assessment."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.export.saved_model import export
from tests.evaluation.samples import NAMES, SIZE, png, tiny_method, write_dataset

CLASSES = (*NAMES, "yellow", "a grey day")  # seven, so that top-5 says something


def exported(folder: Path, name: str, *, change: float = 0.0) -> Path:
    """The export of a tiny method in `folder`/saved_model; `change` is added to its weights."""
    method, tokenizer = tiny_method(name)
    rng = np.random.default_rng(2)
    for variable in method.trainable_variables if change else ():
        variable.assign_add(change * rng.normal(size=variable.shape))
    return export(
        method,
        tokenizer,
        folder / "saved_model",
        dataset="tiny",
        classes=NAMES,
        templates=("{}",),
        scorer=cosine(method),
        image_size=SIZE,
    )


def pictures(count: int, *, seed: int = 0, classes: int = len(CLASSES)) -> list[tuple[bytes, int]]:
    """Pictures of random colours with random labels."""
    rng = np.random.default_rng(seed)
    return [(png(rng.integers(0, 256, 3)), int(rng.integers(classes))) for _ in range(count)]


def dataset(
    folder: Path,
    splits: dict[str, list[tuple[bytes, int]]],
    *,
    classes: Sequence[str] = CLASSES,
    templates: Sequence[str] = ("{}", "a {} thing"),
) -> str:
    """A data set in `folder`, which it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    return str(write_dataset(folder, splits, classes=classes, templates=templates))
