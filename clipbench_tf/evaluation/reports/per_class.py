"""The result of each class, and which class is taken for which, as CSV files."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clipbench_tf.evaluation import accuracy
from clipbench_tf.evaluation.split_result import SplitResult

_CLASS_COLUMNS = (
    "split",
    "class",
    "name",
    "pictures",
    "right",
    "recall",
    "recall_low",
    "recall_high",
    "most_taken_for",
    "taken_for_it",
)
_PAIR_COLUMNS = ("split", "true", "predicted", "true_name", "predicted_name", "pictures", "of")


class Confusion(NamedTuple):
    """So many `pictures` of the `of` pictures of the class `true` are taken for `predicted`."""

    true: int
    predicted: int
    pictures: int
    of: int


def confused(result: SplitResult) -> list[Confusion]:
    """All pairs of classes of which one is taken for the other, the most frequent first.

    Of equally frequent ones, that of the class with fewer pictures is first.
    """
    wrong = result.predictions != result.labels
    both = np.stack([result.labels[wrong], result.predictions[wrong]], axis=1)
    pairs, counts = np.unique(both, axis=0, return_counts=True)
    of = np.bincount(result.labels, minlength=result.classes)
    found = [
        Confusion(int(true), int(predicted), int(count), int(of[true]))
        for (true, predicted), count in zip(pairs, counts, strict=True)
    ]
    return sorted(found, key=lambda pair: (-pair.pictures, pair.of, pair.true, pair.predicted))


def write_classes(path: Path, classes: Sequence[str], results: Sequence[SplitResult]) -> None:
    """Writes a line for each split and class.

    `right` is the number of pictures that are right, with ties in expectation; `recall` is its
    share, with a 95% interval; `most_taken_for` is the class that its wrong pictures go to most
    often, and `taken_for_it` the number of pictures of other classes that are taken for it. A class
    without pictures has no recall.
    """
    _write(path, _CLASS_COLUMNS, (row for r in results for row in _class_rows(classes, r)))


def write_pairs(path: Path, classes: Sequence[str], results: Sequence[SplitResult]) -> None:
    """Writes a line for each pair in `confused`, in its order."""
    rows = (
        (r.split, c.true, c.predicted, classes[c.true], classes[c.predicted], c.pictures, c.of)
        for r in results
        for c in confused(r)
    )
    _write(path, _PAIR_COLUMNS, rows)


def _class_rows(classes: Sequence[str], result: SplitResult) -> Iterator[tuple]:
    pictures = np.bincount(result.labels, minlength=len(classes))
    right = np.bincount(result.labels, weights=result.credits[1], minlength=len(classes))
    wrong = result.predictions[result.predictions != result.labels]
    taken = np.bincount(wrong, minlength=len(classes))
    most: dict[int, str] = {}
    for pair in confused(result):
        most.setdefault(pair.true, classes[pair.predicted])
    for number, name in enumerate(classes):
        count, share = int(pictures[number]), [""] * 3
        if count:
            recall = float(right[number]) / count
            share = [f"{x:.4f}" for x in (recall, *accuracy.wilson(recall, count))]
        others = (most.get(number, ""), int(taken[number]))
        yield result.split, number, name, count, f"{right[number]:g}", *share, *others


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
