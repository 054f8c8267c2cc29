"""Data sets for the tests of assessment."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.evaluation.samples import NAMES, png, write_dataset

CLASSES = (*NAMES, "yellow", "a grey day")  # seven, so that top-5 says something


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
