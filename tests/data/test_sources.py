"""Data sets on disk: what is refused, and the order in which records come."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.sources import DatasetError, Split


def shards(folder: Path, *counts: int) -> Split:
    """Files of `counts` records; each record is its own number."""
    files, number = [], 0
    for index, count in enumerate(counts):
        files.append(str(folder / f"{index}.tfrecord"))
        with tf.io.TFRecordWriter(files[-1]) as writer:
            for _ in range(count):
                writer.write(str(number))
                number += 1
    return Split(tuple(files), number)


def described(folder: Path, fields: object) -> Path:
    (folder / "dataset.json").write_text(json.dumps(fields), encoding="utf-8")
    return folder


def stream(split: Split, count: int, **arguments) -> list[tuple[int, int]]:
    """The first `count` (position, record)."""
    data = sources.shuffled_stream(split, **{"seed": 0, **arguments}).take(count)
    return [(int(position), int(record)) for position, record in data.as_numpy_iterator()]


def records(pairs: list[tuple[int, int]]) -> list[int]:
    return [record for _, record in pairs]


def test_loads_a_folder(tmp_path):
    split = shards(tmp_path, 3, 2)
    fields = {
        "name": "small",
        "classes": ["cat", "dog"],
        "templates": ["{}", "a {}"],
        "splits": {"train": {"files": ["0.tfrecord", "1.tfrecord"], "examples": 5}},
    }
    dataset = sources.load(str(described(tmp_path, fields)))
    assert dataset.name == "small"
    assert (dataset.classes, dataset.templates) == (("cat", "dog"), ("{}", "a {}"))
    assert dataset.split("train") == split
    assert list(sources.records(split).as_numpy_iterator()) == [b"0", b"1", b"2", b"3", b"4"]


def test_what_a_description_may_leave_out(tmp_path):
    dataset = sources.load(str(described(tmp_path, {"splits": {}})))
    assert dataset == sources.Dataset(tmp_path.name, {}, (), ("a photo of a {}",))


def test_loads_the_embedded_one_by_name_wherever_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emoji").mkdir()  # a folder of that name without a data set in it
    dataset = sources.load("emoji")
    assert dataset.name == "emoji"
    split = dataset.split("validation")
    assert sum(1 for _ in sources.records(split)) == split.examples
    fields = sources.parse(next(iter(sources.records(split))))
    assert set(fields) == {"key", "image", "captions", "label"}
    assert 0 <= int(fields["label"]) < len(dataset.classes)


def test_parse_gives_all_captions_and_a_label_that_may_be_missing():
    def example(**features):
        lists = {name: tf.train.BytesList(value=values) for name, values in features.items()}
        feature = {name: tf.train.Feature(bytes_list=values) for name, values in lists.items()}
        message = tf.train.Example(features=tf.train.Features(feature=feature))
        return message.SerializeToString()

    fields = sources.parse(example(key=[b"k"], image=[b"i"], captions=[b"one", b"two"]))
    assert (fields["key"].numpy(), fields["image"].numpy()) == (b"k", b"i")
    assert fields["captions"].numpy().tolist() == [b"one", b"two"]
    assert fields["label"].numpy() == -1
    assert sources.parse(example(key=[b"k"], image=[b"i"]))["captions"].shape == [0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="image"):
        sources.parse(example(key=[b"k"]))


def test_a_wrong_name_lists_the_embedded_ones():
    with pytest.raises(DatasetError, match=r"'emojis' is no folder\..* embedded ones \(emoji\)"):
        sources.load("emojis")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"exists but holds no dataset\.json.*\(emoji\)"):
        sources.load(str(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"name": "x"}',
        '{"splits": ["train"]}',
        '{"splits": {"train": ["a.tfrecord"]}}',
        '{"splits": {"train": {"files": []}}}',
        '{"splits": {"train": {"files": ["a"], "examples": "many"}}}',
        '{"splits": {"train": {"files": [3], "examples": 3}}}',
        b'{"name": "\xff"}',
    ],
)
def test_a_bad_description_is_refused_by_its_path(text, tmp_path):
    path = tmp_path / "dataset.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match=r"dataset\.json is no description") as caught:
        sources.load(str(tmp_path))
    assert str(path) in str(caught.value)


def test_missing_shards_are_counted_and_the_first_is_named(tmp_path):
    shards(tmp_path, 1)
    files = ["0.tfrecord", "1.tfrecord", "2.tfrecord"]
    described(tmp_path, {"splits": {"train": {"files": files, "examples": 3}}})
    with pytest.raises(DatasetError, match=r"names 2 shards .* first \S+/1\.tfrecord;"):
        sources.load(str(tmp_path))


def test_a_missing_split_is_refused_with_those_there_are():
    with pytest.raises(DatasetError, match="emoji has no split 'trian'; it has train, valid"):
        sources.load("emoji").split("trian")


@pytest.mark.parametrize("counts", [(23,), (7, 9, 1, 6)])
@pytest.mark.parametrize("buffer", [1, 4, 100])
def test_each_epoch_has_each_record_once_in_an_order_of_its_own(counts, buffer, tmp_path):
    pairs = stream(shards(tmp_path, *counts), 3 * 23, buffer=buffer)
    assert [position for position, _ in pairs] == list(range(3 * 23))
    epochs = [records(pairs[i : i + 23]) for i in (0, 23, 46)]
    for epoch in epochs:
        assert Counter(epoch) == Counter(range(23))
    if buffer > 1:
        assert len({tuple(epoch) for epoch in epochs}) == 3


def test_order_depends_on_the_seed_and_on_nothing_else(tmp_path):
    split = shards(tmp_path, 7, 9, 7)
    once = stream(split, 30, seed=5)
    tf.random.set_seed(99)
    assert stream(split, 30, seed=5) == once
    assert records(stream(split, 30, seed=6)) != records(once)


@pytest.fixture(scope="module")
def of_four_files(tmp_path_factory) -> Split:
    return shards(tmp_path_factory.mktemp("four"), 7, 9, 1, 6)


MIXED = {"buffer": 6, "parallel_files": 2}


@pytest.fixture(scope="module")
def whole(of_four_files) -> list[tuple[int, int]]:
    return stream(of_four_files, 80, **MIXED)


@pytest.mark.parametrize("start", [1, 10, 22, 23, 24, 45, 46, 50])
def test_a_stream_begun_later_is_the_rest_of_one_begun_at_the_start(start, of_four_files, whole):
    rest = stream(of_four_files, 30, start=start, **MIXED)
    assert [position for position, _ in rest] == list(range(start, start + 30))
    assert rest == whole[start : start + 30]


def test_a_stream_begun_too_far_to_walk_to_is_the_rest_of_its_epoch(of_four_files):
    start = 23_000_000_017
    rest = stream(of_four_files, 30, start=start, **MIXED)
    assert [position for position, _ in rest] == list(range(start, start + 30))
    assert rest == stream(of_four_files, 47, start=start - start % 23, **MIXED)[start % 23 :]


def test_a_buffer_mixes_files_and_positions(tmp_path):
    order = np.array(records(stream(shards(tmp_path, 300, 300), 600, buffer=1000)))
    # Rank correlation of a random order lies within 4.5 / sqrt(600) of 0.
    assert abs(np.corrcoef(order, np.arange(600))[0, 1]) < 0.184
    firsts = records(stream(shards(tmp_path, 30, 30), 20 * 60, buffer=1000))[::60]
    assert len(set(firsts)) > 10
    assert 0 < sum(first < 30 for first in firsts) < 20
