"""The tables equal counts made one picture at a time."""

import csv

import numpy as np

from clipbench_tf.evaluation.accuracy import wilson
from clipbench_tf.evaluation.reports import per_class
from tests.evaluation.reports.results import result

NAMES = ("cat", 'dog, "the"', "Äffchen", "none")  # the last has no pictures
LABELS = [0] * 6 + [1] * 4 + [2] * 2
PREDICTIONS = [0, 0, 1, 1, 2, 1, 0, 0, 1, 1, 1, 1]


def rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_confused_pairs_are_counted_and_the_most_frequent_is_first():
    found = per_class.confused(result(LABELS, PREDICTIONS, classes=4))
    assert [tuple(pair) for pair in found] == [
        (0, 1, 3, 6),
        (2, 1, 2, 2),
        (1, 0, 2, 4),
        (0, 2, 1, 6),
    ]
    assert per_class.confused(result([0, 1], [0, 1], classes=2)) == []


def test_every_class_has_a_line_also_one_without_pictures(tmp_path):
    split = result(LABELS, PREDICTIONS, classes=4)
    other = result([3], [3], classes=4, split="more")
    per_class.write_classes(tmp_path / "a.csv", NAMES, [split, other])
    table = rows(tmp_path / "a.csv")
    assert [row["name"] for row in table] == [*NAMES, *NAMES]
    assert [row["split"] for row in table] == ["test"] * 4 + ["more"] * 4
    assert [row["pictures"] for row in table[:4]] == ["6", "4", "2", "0"]
    assert [row["right"] for row in table[:4]] == ["2", "2", "0", "0"]
    assert [row["recall"] for row in table[:4]] == ["0.3333", "0.5000", "0.0000", ""]
    low, high = wilson(0.5, 4)
    assert (table[1]["recall_low"], table[1]["recall_high"]) == (f"{low:.4f}", f"{high:.4f}")
    assert [row["most_taken_for"] for row in table[:4]] == [NAMES[1], "cat", NAMES[1], ""]
    assert [row["taken_for_it"] for row in table[:4]] == ["2", "5", "1", "0"]
    assert table[7]["recall"] == "1.0000"


def test_ties_count_in_expectation(tmp_path):
    split = result([0, 0], [0, 1], classes=2)
    split.credits[1][:] = [0.5, 0.5]
    per_class.write_classes(tmp_path / "a.csv", ("a", "b"), [split])
    assert [row["right"] for row in rows(tmp_path / "a.csv")] == ["1", "0"]


def test_all_pairs_are_written(tmp_path):
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    per_class.write_pairs(tmp_path / "a.csv", NAMES, [result(labels, predictions, classes=4)])
    table = rows(tmp_path / "a.csv")
    assert sum(int(row["pictures"]) for row in table) == np.sum(labels != predictions)
    for row in table:
        a, b = NAMES.index(row["true_name"]), NAMES.index(row["predicted_name"])
        assert int(row["pictures"]) == np.sum((labels == a) & (predictions == b))
        assert int(row["of"]) == np.sum(labels == a)
