"""Compares the models that were evaluated on the same pictures, two by two."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clipbench_tf.assessment.zero_shot_task import PREDICTIONS
from clipbench_tf.evaluation.comparison.paired import Paired, compare


class Comparison(NamedTuple):
    """The zero-shot answers of two models on one split."""

    split: str
    paired: Paired

    def record(self) -> dict:
        """For a JSON record."""
        return {"split": self.split, **self.paired.record()}

    def line(self) -> str:
        """One line of text."""
        return f"{self.split}: {self.paired.line()}"


def comparisons(folders: Mapping[str, Path]) -> list[Comparison]:
    """Every two of the models whose zero-shot evaluations lie in `folders`, on every split.

    Only pictures that both models could decode count.

    Raises:
        OSError, ValueError, KeyError: if the predictions in a folder cannot be read.
    """
    found = []
    for first, second in itertools.combinations(folders, 2):
        with (
            np.load(folders[first] / PREDICTIONS, allow_pickle=False) as one,
            np.load(folders[second] / PREDICTIONS, allow_pickle=False) as other,
        ):
            splits = [name.removesuffix("/place") for name in one.files if name.endswith("/place")]
            for split in splits:
                _, mine, its = np.intersect1d(
                    one[f"{split}/place"], other[f"{split}/place"], True, return_indices=True
                )
                paired = compare(
                    one[f"{split}/top1"][mine],
                    other[f"{split}/top1"][its],
                    names=(first, second),
                )
                found.append(Comparison(split, paired))
    return found
