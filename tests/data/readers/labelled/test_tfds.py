"""Data sets of TensorFlow Datasets, as their files lie on disk."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled.tfds import open_tfds
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.stream import records


def feature(kind: str, **value) -> dict:
    """A node of features.json."""
    return {"pythonClassName": f"tensorflow_datasets.core.features.{kind}", kind: value}


def label(classes: int) -> dict:
    return feature("classLabel", numClasses=str(classes))


def several(**features: dict) -> dict:
    return feature("featuresDict", features=features)


TEXT, NUMBER = feature("text"), feature("tensor", dtype="int64")
IMAGE = feature("image", dtype="uint8", shape={"dimensions": ["-1", "-1", "3"]})
MASK = feature("image", dtype="uint8", label={"numClasses": "3"})
PETS = several(
    aside=MASK,
    captions=feature("sequence", feature=several(id=NUMBER, text=TEXT)),
    picture=IMAGE,
    file_name=TEXT,
    kind=label(2),
    more=several(size=label(3), alt=TEXT),
    **{"tail/colour": label(2)},
)


def example(**values) -> bytes:
    """A serialised tf.train.Example; double underscores stand for slashes."""
    features = {}
    for name, value in values.items():
        if isinstance(value[0], int):
            field = tf.train.Feature(int64_list=tf.train.Int64List(value=value))
        else:
            encoded = [text.encode() for text in value]
            field = tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))
        features[name.replace("__", "/")] = field
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def pet(number: int) -> bytes:
    return example(
        aside=["mask"],
        captions__id=[1, 2],
        captions__text=[f"pet {number}", f"thé {number}"],
        picture=[f"png {number}"],
        file_name=[f"{number}.png"],
        kind=[number % 2],
        more__size=[number % 3],
        more__alt=[f"alt {number}"],
        tail__colour=[1],
    )


SHARDS = {"train": [3, 2], "validation": [4]}


def prepare(folder: Path, features=PETS, splits=SHARDS, record=pet, template="", **info) -> Path:
    """The files of a data set, with shards of so many records."""
    folder.mkdir(parents=True)
    listed = []
    for split, lengths in splits.items():
        number = 0
        for shard, length in enumerate(lengths):
            total = f"{shard:05d}-of-{len(lengths):05d}"
            name = template.format(SPLIT=split, SHARD_X_OF_Y=total)
            place = folder / (name or f"pets-{split}.tfrecord-{total}")
            place.parent.mkdir(exist_ok=True)
            with tf.io.TFRecordWriter(str(place)) as out:
                for _ in range(length):
                    out.write(record(number))
                    number += 1
        lengths = [str(length) for length in lengths]
        listed.append({"name": split, "shardLengths": lengths, "filepathTemplate": template})
    fields = {"name": "pets", "fileFormat": "tfrecord", "splits": listed, **info}
    (folder / "dataset_info.json").write_text(json.dumps(fields))
    (folder / "features.json").write_text(json.dumps(features))
    (folder / "kind.labels.txt").write_text("big_cat\ndog\n")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Where data sets are looked for."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "home"))
    return tmp_path / "home"


def pairs(dataset: Dataset, split: str) -> list[Pair]:
    return [Pair.of(record) for record in records(dataset.split(split)).as_numpy_iterator()]


def test_a_prepared_data_set_is_read_by_name(home):
    prepare(home / "pets/1.0.0")
    dataset = sources.load("tfds:pets")
    assert (dataset.name, dataset.source) == ("pets", "tfds:pets")
    assert dataset.classes == ("big cat", "dog")
    train = dataset.split("train")
    assert (train.examples, list(train.counts)) == (5, [3, 2])
    assert list(train.names) == [f"pets-train.tfrecord-0000{shard}-of-00002" for shard in (0, 1)]
    read, places = pairs(dataset, "train"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    for number, (pair, (shard, place)) in enumerate(zip(read, places, strict=True)):
        assert pair.key == f"pets-train.tfrecord-0000{shard}-of-00002:{place}"
        assert pair.image == f"png {number}".encode()
        assert pair.captions == (f"pet {number}", f"thé {number}")
        assert (pair.label, pair.problem) == (number % 2, "")
    assert [pair.label for pair in pairs(dataset, "validation")] == [0, 1, 0, 1]
    assert train.read(1, 1, 1) == train.read(1, 0, 2)[1:]


def test_features_are_chosen_by_option(home):
    prepare(home / "pets/1.0.0")
    (home / "pets/1.0.0/more-size.labels.txt").write_text("small\nmiddle\nlarge\n")
    options = "image=file_name&caption=more/alt,captions/text&label=more/size"
    dataset = sources.load(f"tfds:pets?{options}")
    assert dataset.classes == ("small", "middle", "large")
    pair = pairs(dataset, "train")[4]
    assert (pair.image, pair.label) == (b"4.png", 1)
    assert pair.captions == ("alt 4", "pet 4", "thé 4")
    (home / "pets/1.0.0/tail.colour.labels.txt").write_text("blue\ngreen\n")
    dataset = sources.load("tfds:pets?label=tail/colour")
    assert dataset.classes[pairs(dataset, "train")[0].label] == "green"


def test_features_called_image_and_label_are_preferred(home):
    features = several(aside=IMAGE, image=IMAGE, coarse_label=label(2), label=label(5), title=TEXT)

    def record(number):
        return example(aside=["no"], image=["yes"], coarse_label=[1], label=[4], title=["t"])

    prepare(home / "cifar/1.0.0", features=features, record=record)
    dataset = sources.load("tfds:cifar")
    assert dataset.classes == ("0", "1", "2", "3", "4")
    pair = pairs(dataset, "train")[0]
    assert (pair.image, pair.label, pair.captions) == (b"yes", 4, ("t",))


def test_class_names_are_captions_where_there_are_no_others(home, tmp_path):
    features = several(image=IMAGE, file_name=TEXT, label=label(3))

    def record(number):
        return example(image=["png"], file_name=["x"], label=[number - 1])

    prepare(home / "digits/1.0.0", features=features, record=record)
    dataset = sources.load("tfds:digits")
    assert dataset.classes == ("0", "1", "2")
    found = [(pair.label, pair.captions, pair.problem) for pair in pairs(dataset, "validation")]
    assert found == [(-1, (), "no caption"), *[(n, (str(n),), "") for n in range(3)]]
    (home / "digits/1.0.0/label.labels.txt").write_text("n00000003\nn00000001\nn00000002\n")
    names = tmp_path / "names.txt"
    names.write_text("n00000001 one\nn00000002 two\nn00000003 three\n")
    assert sources.load(f"tfds:digits?classnames={names}").classes == ("three", "one", "two")


def test_what_cannot_be_read_is_a_pair_with_a_problem(home):
    def record(number):
        values = [("", ["a"]), ("png", [" ", ""]), ("png", ["", "b"]), ("png", ["c"])][number]
        return example(picture=[values[0]], captions__text=values[1])

    folder = prepare(home / "pets/1.0.0", record=record, splits={"train": [4]})
    shard = next(folder.glob("*.tfrecord-*"))
    data = bytearray(shard.read_bytes())
    data[-6] ^= 1  # in the last record
    shard.write_bytes(data)
    found = [(p.problem, p.captions) for p in pairs(sources.load("tfds:pets"), "train")]
    bad = [("no picture", ("a",)), ("no caption", ()), ("damaged record", ())]
    assert found == [*bad[:2], ("", ("b",)), bad[2]]


def test_the_newest_version_is_read_or_the_one_that_is_named(home):
    for version, size in (("1.9.0", 1), ("1.10.0", 2), ("2.0.1", 3), ("incomplete.X_3.0.0", 4)):
        prepare(home / f"pets/{version}", splits={"train": [size]})
    (home / "pets/README").touch()
    for version, size in {"": 3, ":1.9.0": 1, ":1.*.*": 2, ":2.0.1": 3}.items():
        assert sources.load(f"tfds:pets{version}").split("train").examples == size
    with pytest.raises(DatasetError, match=r"not prepared: .*1\.9\.0, 1\.10\.0, 2\.0\.1"):
        sources.load("tfds:pets:3.0.0")


def test_configurations_are_named_or_the_default_one_is_read(home, tmp_path):
    prepare(tmp_path / "b/pets/big/1.0.0", splits={"train": [2]})
    assert sources.load(f"tfds:pets?data_dir={tmp_path / 'b'}").split("train").examples == 2
    prepare(tmp_path / "b/pets/small/1.0.0", splits={"train": [1]})
    with pytest.raises(DatasetError, match="has the configurations big, small: name one"):
        sources.load(f"tfds:pets?data_dir={tmp_path / 'b'}/")
    (tmp_path / "b/pets/.config").mkdir()
    (tmp_path / "b/pets/.config/metadata.json").write_text('{"default_config_name": "small"}')
    for name, size in (("pets", 1), ("pets/small", 1), ("pets/big:1.0.0", 2)):
        dataset = open_tfds(f"tfds:{name}", {"data_dir": str(tmp_path / "b")})
        assert dataset.split("train").examples == size


def test_a_folder_is_read_as_it_is_with_the_file_names_that_it_says(tmp_path):
    folder = prepare(tmp_path / "anywhere", template="{SPLIT}/data-{SHARD_X_OF_Y}")
    assert (folder / "validation/data-00000-of-00001").exists()
    dataset = sources.load(f"tfds:{folder}/")
    found = [int(pair.image.removeprefix(b"png ")) for pair in pairs(dataset, "validation")]
    assert found == [0, 1, 2, 3]


def test_what_is_not_prepared_is_refused_with_the_command_that_does(home):
    words = rf"`tfds build coco/2014 --data_dir={home}` .*prepare\(\).* Nothing is downloaded"
    with pytest.raises(DatasetError, match=words):
        sources.load("tfds:coco/2014")
    assert not home.exists()


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"fileFormat": "array_record"}, "", "format array_record, and only tfrecord is read"),
        ({}, "?image=captions/text", r"image cannot be .* captions/text \(sequence of text\)"),
        ({}, "?image=aside", r"image cannot be that.*aside \(mask\)"),
        ({}, "?caption=nothing", r"caption cannot be that.* file_name \(text\)"),
        ({}, "?label=captions/id", "label cannot be that"),
        ({}, "?colour=red", "option 'colour'; there are caption, classnames, data_dir, image"),
        ({"features": several(text=TEXT)}, "", r"has no image.*text \(text\)"),
        ({"features": several(image=IMAGE, n=NUMBER)}, "", r"has no captions.*n \(tensor\)"),
        ({"features": {"type": "x", "content": {}}}, "", "not of a form that is known"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_there_is(fields, options, words, home):
    prepare(home / "pets/1.0.0", **fields)
    with pytest.raises(DatasetError, match=words):
        sources.load(f"tfds:pets{options}")


def test_names_and_files_that_are_wrong_are_named(home):
    with pytest.raises(DatasetError, match=r"'tfds:my pets' is not of the form tfds:NAME"):
        sources.load("tfds:my pets")
    folder = prepare(home / "pets/1.0.0")
    (folder / "pets-train.tfrecord-00001-of-00002").unlink()
    with pytest.raises(DatasetError, match=r"1 files of .* missing: \S+00001-of-00002"):
        sources.load("tfds:pets")
    other = folder / "pets-validation.tfrecord-00000-of-00001"
    shutil.copy(other, folder / "pets-train.tfrecord-00001-of-00002")
    with pytest.raises(DatasetError, match=r"holds 4 records, but .*dataset_info\.json counts 2"):
        sources.load("tfds:pets").split("train").read(1, 0, 1)
    (folder / "features.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"Cannot read \S+features\.json: no object"):
        sources.load("tfds:pets")


def test_equals_what_tensorflow_datasets_reads(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")

    class SmallPets(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="png"),
                    "kind": tfds.features.ClassLabel(names=["big_cat", "dog"]),
                    "captions": tfds.features.Sequence({"text": tfds.features.Text()}),
                    "rows": tfds.features.Sequence(tfds.features.Sequence(tfds.features.Text())),
                }
            )
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager):
            return {"train": self._generate_examples(7), "test": self._generate_examples(3)}

        def _generate_examples(self, count):
            for number in range(count):
                picture = np.full((4, 5, 3), number, np.uint8)
                captions = [{"text": f"pet {number}"}, {"text": f"thé {number}"}]
                values = {"image": picture, "kind": number % 2, "captions": captions}
                yield number, values | {"rows": [[f"row {number}"], ["b", "c"]]}

    builder = SmallPets(data_dir=str(tmp_path))
    builder.download_and_prepare()
    options = {"data_dir": str(tmp_path), "caption": "captions/text,rows"}
    dataset = open_tfds("tfds:small_pets", options)
    assert dataset.classes == ("big cat", "dog")
    read = builder.as_dataset(decoders={"image": tfds.decode.SkipDecoding()}, shuffle_files=False)
    assert read.keys() == dataset.splits.keys()
    for split, expected in read.items():
        for pair, values in zip(pairs(dataset, split), expected, strict=True):
            texts = [*values["captions"]["text"].numpy(), *values["rows"].flat_values.numpy()]
            assert pair.image == values["image"].numpy()
            assert pair.label == values["kind"].numpy()
            assert pair.captions == tuple(text.decode() for text in texts)
