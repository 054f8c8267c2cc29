"""dataset.json written by hand: mistakes are told with the line to correct."""

import json

import pytest
import tensorflow as tf

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled.described import open_described


def described(folder, **fields) -> str:
    with tf.io.TFRecordWriter(str(folder / "a.tfrecord")) as writer:
        writer.write(b"one")
    whole = {
        "name": "mine",
        "classes": ["cat", "dog"],
        "templates": ["a {}"],
        "splits": {"train": {"files": ["a.tfrecord"], "examples": 1}},
        **fields,
    }
    (folder / "dataset.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False))
    return str(folder)


def line_of(folder, text: str, occurrence: int = 1) -> int:
    lines = (folder / "dataset.json").read_text().splitlines()
    return [n for n, line in enumerate(lines, 1) if text in line][occurrence - 1]


def test_a_sound_one_is_read(tmp_path):
    dataset = open_described(described(tmp_path), "mine")
    assert (dataset.name, dataset.source) == ("mine", "mine")
    assert dataset.classes == ("cat", "dog")
    assert dataset.split("train").read(0, 0, 1) == [b"one"]


@pytest.mark.parametrize(
    ("fields", "text", "occurrence", "message"),
    [
        ({"classes": ["cat", "a dog", "cat"]}, '"cat"', 2, "class name 'cat' stands twice"),
        ({"classes": ["Käfer", "Käfer"]}, '"Käfer"', 2, "class name 'Käfer' stands twice"),
        ({"classes": ["cat", " "]}, '" "', 1, "class 1 has no name"),
        ({"classes": ["cat", ""]}, '""', 1, "class 1 has no name"),
        ({"templates": ["a {}", "a photo"]}, '"a photo"', 1, "template 'a photo' has no {}"),
        ({"templates": []}, '"templates"', 1, "templates is empty"),
        (
            {"splits": {"train": {"files": ["a.tfrecord"], "examples": 2, "counts": [1]}}},
            '"train"',
            1,
            "counts of split 'train' add up to 1, but its examples are 2",
        ),
        (
            {"splits": {"train": {"files": ["a.tfrecord"], "examples": 1, "counts": [1, 0]}}},
            '"train"',
            1,
            "split 'train' has 1 files, but 2 counts",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, fields, text, occurrence, message):
    folder = described(tmp_path, **fields)
    with pytest.raises(DatasetError) as caught:
        open_described(folder, folder)
    assert message in str(caught.value)
    assert f"line {line_of(tmp_path, text, occurrence)}:" in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path):
    folder = described(tmp_path, classes=["cat", "cat", ""], templates=["cat"])
    with pytest.raises(DatasetError) as caught:
        open_described(folder, folder)
    assert str(caught.value).count("line ") == 3


def test_wrong_examples_without_counts_are_told_when_they_are_counted(tmp_path):
    folder = described(tmp_path, splits={"train": {"files": ["a.tfrecord"], "examples": 3}})
    with pytest.raises(DatasetError, match=r"hold 1 records, but \S+/dataset\.json says 3"):
        sum(open_described(folder, folder).split("train").counts)
