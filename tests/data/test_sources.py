"""Data sets on disk: what is refused, and the order in which records come."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.sources import DatasetError
from tests.data.numbered import shards
from tests.data.readers.tars.tar_files import samples, write


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


ODD = ["a?b", "a?x=1", "a=b&c", "a b", "äß", "{}", "{0..1}", "[x]", "*", "100%25", "a+b", "q?x=1/y"]


@pytest.mark.parametrize("name", ODD)
def test_a_path_that_is_there_is_taken_as_it_is(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir(parents=True)
    (folder / "a b.csv").write_text("image,caption\n0.jpg,x\n", encoding="utf-8")
    write(folder / "0.tar", samples(2))
    found = {path: sources.load(str(folder / path)) for path in ("a b.csv", "0.tar", "")}
    assert [one.split("train").examples for one in found.values()] == [1, 2, 2]
    assert [one.name for one in found.values()] == ["a b.csv", "0", folder.name]


def test_a_source_says_how_to_open_it_again(tmp_path):
    (tmp_path / "t.csv").write_text("my image,a+b,c&d,50%25\n0.jpg,x,y,z\n")
    for options in ("image=my image&caption=a+b", "image=my%20image&caption=c%26d,50%2525"):
        dataset = sources.load(f"{tmp_path}/t.csv?{options}")
        again = sources.load(dataset.source)
        assert again.source == dataset.source
        assert again.split("train").columns == dataset.split("train").columns
    assert dataset.split("train").columns.captions == (2, 3)
    assert dataset.source == f"{tmp_path}/t.csv?image=my image&caption=c%26d,50%2525"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("caption=a&caption=b", "the option 'caption' twice"),
        ("caption=a&missing", "an option 'missing' without a value"),
        ("caption=salt & pepper", "an option ' pepper' without a value"),
    ],
)
def test_an_option_is_not_dropped_silently(options, expected, tmp_path):
    (tmp_path / "t.csv").write_text("image,a,b\n0.jpg,x,y\n")
    with pytest.raises(DatasetError, match=expected):
        sources.load(f"{tmp_path}/t.csv?{options}")


def test_home_is_found_in_paths_and_options(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "t.csv").write_text("image,caption\n0.jpg,x\n")
    dataset = sources.load("~/t.csv?images=~/photos")
    assert dataset.split("train").images == f"{tmp_path}/photos/"


def test_a_path_object_and_the_description_itself_are_taken(tmp_path):
    shards(tmp_path, 2)
    fields = {"splits": {"train": {"files": ["0.tfrecord"], "examples": 2}}}
    folder = described(tmp_path, fields)
    for source in (folder, folder / "dataset.json"):
        assert sources.load(source).split("train").examples == 2


@pytest.mark.parametrize("source", [None, 5, ["a.csv"]])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(DatasetError, match="is no data set; give its path"):
        sources.load(source)


def test_names_on_windows_may_be_in_capitals(tmp_path):
    (tmp_path / "T.CSV").write_text("Image,Caption\n0.JPG,x\n")
    assert sources.load(str(tmp_path / "T.CSV")).split("train").examples == 1
    (tmp_path / "T.JSONL").write_text('{"image": "0.JPG", "caption": "x"}\n')
    assert sources.load(str(tmp_path / "T.JSONL")).split("train").examples == 1
    write(tmp_path / "A.TAR", samples(3))
    for path in (tmp_path / "A.TAR", tmp_path):
        assert sources.load(str(path)).split("train").examples == 3


HINTS = {
    "a table in the folder": (["0.jpg", "metadata.csv"], "/metadata.csv, give that path"),
    "a table above the pictures": (["images/0.jpg", "metadata.csv"], "/metadata.csv, give that"),
    "a table for each split": (
        ["train/0.jpg", "train/metadata.jsonl", "test/0.jpg", "test/metadata.jsonl"],
        "test/metadata.jsonl, give that path",
    ),
    "tars in folders": (["part1/0.tar", "part2/0.tar"], r"part1/\*\.tar, give that path"),
    "a text for each picture": (["0.jpg", "0.txt"], r"tar -cf \S+\.tar -C \S+ \."),
    "a text for each picture, in a folder": (["00000/0.jpg", "00000/0.txt"], "00000.tar -C"),
}


@pytest.mark.parametrize(("names", "expected"), HINTS.values(), ids=HINTS)
def test_a_folder_that_cannot_be_read_is_refused_with_what_can(names, expected, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match=expected):
        sources.load(str(tmp_path))


def test_class_folders_with_a_table_of_captions_are_read_with_a_warning(tmp_path, caplog):
    for name in ("cat/0.jpg", "dog/0.jpg", "metadata.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert sources.load(str(tmp_path)).classes == ("cat", "dog")
    assert f"{tmp_path}/metadata.csv, give that path" in caplog.text


def test_a_place_that_cannot_be_reached_is_one_line():
    with pytest.raises(DatasetError, match=r"'nofs://a/b.csv' cannot be read: .*nofs"):
        sources.load("nofs://a/b.csv")


def test_records_that_are_no_pairs_are_refused_before_training(tmp_path):
    shards(tmp_path, 2)
    fields = {"splits": {"train": {"files": ["0.tfrecord"], "examples": 2}}}
    with pytest.raises(DatasetError, match=r"0\.tfrecord holds no pairs: .* key, image"):
        sources.load(str(described(tmp_path, fields))).split("train").check()
