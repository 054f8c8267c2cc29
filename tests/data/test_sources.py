"""Data sets on disk: what is refused, and the order in which records come."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.sources import DatasetError
from tests.data.numbered import shards


def described(folder: Path, fields: object) -> Path:
    (folder / "dataset.json").write_text(json.dumps(fields), encoding="utf-8")
    return folder


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
    assert dataset.split("train").paths == split.paths
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
    assert set(fields) == {"key", "image", "captions", "label", "problem"}
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
    with pytest.raises(DatasetError, match=r"'emojis' is no folder .* embedded one \(emoji\)"):
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
