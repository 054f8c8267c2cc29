"""Every reader on a file system of TensorFlow's, as if in a bucket: the same as on a disk."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from clipbench_tf.data import sources, stream
from clipbench_tf.data.readers import index
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tfrecords import BESIDE, scan
from tests.data.pairs import picture
from tests.data.readers.tars import tar_files

# A name of every kind, as "{}" and "?" mean something in patterns.
NAMES = ["0.png", "a b.png", "deep/er/1.png", "\u00e4\u00df.png", "100%25.png"]


def described(folder: Path, indexed: bool = False) -> None:
    """Two shards of 3 and 4 pairs."""
    for shard, count in enumerate((3, 4)):
        path = folder / f"{shard}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for number in range(count):
                pair = Pair(f"{shard}/{number}", picture(number), (f"caption {number}",), number)
                writer.write(pair.serialize())
        if indexed:
            scan(str(path)).astype("<u8").tofile(f"{path}{BESIDE}")
    split = {"files": ["0.tfrecord", "1.tfrecord"], "examples": 7}
    (folder / "dataset.json").write_text(json.dumps({"splits": {"train": split}}))


def pictures(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(number))


def csv(folder: Path) -> None:
    pictures(folder, NAMES)
    rows = [f'{name},"caption, of\n{name}"\n' for name in [*NAMES, "missing.png"]]
    (folder / "t.csv").write_text("\ufeffimage,caption\n" + "".join(rows), encoding="utf-8")


def jsonl(folder: Path) -> None:
    pictures(folder / "photos", NAMES)
    rows = [json.dumps({"filename": name, "caption": [name, "x"]}) + "\n" for name in NAMES]
    (folder / "t.jsonl").write_text("".join(rows), encoding="utf-8")


def classes(folder: Path) -> None:
    pictures(
        folder,
        [
            f"{split}/{name}"
            for split in ("train", "val")
            for name in ("cat/0.png", "cat/deep/1.png", "hot dog/a b.png", ".hidden/2.png")
        ],
    )
    (folder / "names.txt").write_text("feline\nsausage\n")


def labelled(folder: Path) -> None:
    pictures(folder / "val", [f"{number}.png" for number in range(4)])
    (folder / "labels.txt").write_text("b\na\na\nb\n")


def tars(folder: Path) -> None:
    for number in range(3):
        tar_files.write(folder / f"{number:05}.tar", tar_files.samples(number * 3))
        (folder / f"{number:05}.parquet").write_bytes(b"PAR1")
        (folder / f"{number:05}_stats.json").write_text("{}")


CASES = {
    "shards": (described, "", 7),
    "shards with an index": (lambda folder: described(folder, indexed=True), "", 7),
    "a CSV": (csv, "/t.csv?missing=skip", 6),
    "JSON lines": (jsonl, "/t.jsonl?images={root}/photos", 5),
    "class folders": (classes, "?classnames={root}/names.txt", 3),
    "a split of class folders": (classes, "/val", 3),
    "pictures with a list of labels": (labelled, "/val?labels={root}/labels.txt", 4),
    "a folder of tars": (tars, "", 9),
    "tars by number": (tars, "/{{00000..00002}}.tar", 9),
    "tars by a glob": (tars, "/0000[12].tar?caption=key", 9),
}


def copied(folder: Path, name: str) -> str:
    """The folder in TensorFlow's file system in memory."""
    root = f"ram://{name}/data"
    tf.io.gfile.makedirs(root)
    for path in sorted(folder.rglob("*")):
        place = f"{root}/{path.relative_to(folder)}"
        if path.is_dir():
            tf.io.gfile.makedirs(place)
        else:
            with tf.io.gfile.GFile(place, "wb") as file:
                file.write(path.read_bytes())
    return root


def pairs(source: str) -> dict[str, list[Pair]]:
    """By split."""
    splits = sources.load(source).splits.items()
    return {
        name: [Pair.of(record) for record in stream.records(reader).as_numpy_iterator()]
        for name, reader in splits
    }


@pytest.mark.parametrize("kept", [False, True], ids=["", "indexes kept"])
@pytest.mark.parametrize(("make", "source", "count"), CASES.values(), ids=CASES)
def test_what_lies_in_a_bucket_is_read_as_on_a_disk(
    make, source, count, kept, tmp_path, monkeypatch, request
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "KEPT_FROM", 0 if kept else index.KEPT_FROM)
    here = tmp_path / "data"
    here.mkdir()
    make(here)
    there = copied(here, f"remote-{abs(hash(request.node.name))}")
    expected = pairs(f"{here}{source.format(root=here)}")
    assert pairs(f"{there}{source.format(root=there)}") == expected
    if kept:
        assert pairs(f"{there}{source.format(root=there)}") == expected
    assert {len(found) for found in expected.values()} == {count}
    assert sum(not pair.problem for found in expected.values() for pair in found) >= count - 1
    tf.io.gfile.rmtree(there)


def test_a_table_here_may_name_pictures_in_a_bucket(tmp_path):
    pictures(tmp_path, NAMES)
    there = copied(tmp_path, "named")
    rows = [f"{there}/{name}\tcaption\n" for name in NAMES]
    (tmp_path / "t.tsv").write_text("image\tcaption\n" + "".join(rows), encoding="utf-8")
    reader = sources.load(str(tmp_path / "t.tsv")).split("train")
    reader.check()
    found = [Pair.of(record).image for record in reader.read(0, 0, len(NAMES))]
    assert found == [picture(number) for number in range(len(NAMES))]


@pytest.mark.parametrize("source", ["nothing.csv", "nothing/{0..3}.tar", "nothing", "*.tar"])
def test_what_a_bucket_does_not_hold_is_refused_by_name(source):
    with pytest.raises(sources.DatasetError, match="ram://empty"):
        sources.load(f"ram://empty/{source}")
