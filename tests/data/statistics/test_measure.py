"""Counting the captions of a data set on disk."""

import dataclasses
import json
from pathlib import Path

import pytest
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.statistics.caption_statistics import CaptionStatistics
from clipbench_tf.data.statistics.measure import measure


def write(folder: Path, pairs: list[Pair]) -> sources.Dataset:
    with tf.io.TFRecordWriter(str(folder / "a.tfrecord")) as writer:
        for pair in pairs:
            writer.write(pair.serialize())
    splits = {"train": {"files": ["a.tfrecord"], "examples": len(pairs)}}
    (folder / "dataset.json").write_text(json.dumps({"splits": splits}))
    return sources.load(str(folder))


def test_every_caption_of_every_pair_counts_and_records_that_are_none_by_problem(
    tmp_path: Path,
) -> None:
    pairs = [
        Pair("a", b"", ("a dog", "the hund")),
        Pair("b", b"", ("a cat",)),
        Pair("c", problem="no picture"),
        Pair("d", b"", ()),
    ]
    done: list[int] = []
    found = measure(write(tmp_path, pairs), "train", progress=done.append)
    expected = CaptionStatistics()
    expected.add("a dog", "the hund")
    expected.add("a cat")
    expected.add()
    assert found.statistics.result() == expected.result()
    assert found.problems == {"no picture": 1}
    assert done[-1] == 4


def test_the_embedded_data_set_has_what_its_description_says() -> None:
    dataset = sources.load("emoji")
    result = measure(dataset, "validation").statistics.result()
    assert result.examples == dataset.split("validation").examples
    assert sum(result.lengths.values()) == result.captions > result.examples
    assert dict(result.frequent)["emoji"] > 0
    assert result.english_ratio > 0.9


def test_a_split_that_is_not_there_and_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(sources.DatasetError, match="no split 'trian'"):
        measure(sources.load("emoji"), "trian")
    dataset = write(tmp_path, [Pair("a", b"", ("a dog",))])
    (tmp_path / "a.tfrecord").unlink()
    with pytest.raises((sources.DatasetError, OSError), match=r"a\.tfrecord|cannot be read on"):
        measure(dataset, "train")


def test_a_summary_is_written_as_json() -> None:
    statistics = CaptionStatistics()
    statistics.add("a dog")
    fields = json.loads(json.dumps(dataclasses.asdict(statistics.result())))
    assert fields["lengths"] == {"2": 1}
    assert fields["frequent"] == [["a", 1], ["dog", 1]]
