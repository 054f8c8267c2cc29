"""Compares the models that were evaluated on the same pictures, two by two."""

import itertools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clipbench_tf.assessment.folders import OutputError
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
        OutputError: if the predictions in a folder cannot be read.
    """
    answers = {name: _answers(folder / PREDICTIONS) for name, folder in folders.items()}
    found = []
    for first, second in itertools.combinations(folders, 2):
        for split, (places, credits) in answers[first].items():
            others, its_credits = answers[second][split]
            _, mine, its = np.intersect1d(places, others, True, return_indices=True)
            paired = compare(credits[mine], its_credits[its], names=(first, second))
            found.append(Comparison(split, paired))
    return found


def _answers(file: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By split, the places of the pictures and the top-1 credit of each."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            splits = [name.removesuffix("/top1") for name in arrays if name.endswith("/top1")]
            return {split: (arrays[f"{split}/place"], arrays[f"{split}/top1"]) for split in splits}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise OutputError(
            f"Cannot read {str(file)!r} ({error}); remove it, and it is evaluated anew."
        ) from error
