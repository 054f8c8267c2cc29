"""The same seeded pairs in files of each form that training reads."""

import csv
import io
import itertools
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from clipbench_tf.benchmarks.samples.captions import sentences
from clipbench_tf.benchmarks.samples.photographs import SMOOTH, jpegs
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tfrecords import BESIDE, scan

PER_FILE = 1024  # pairs in a tar or shard
_SIZE = (341, 256)  # pixels, as a 4:3 photograph prepared for views of 224; 23 kB
_DIFFERENT = 64


def pairs(count: int) -> Iterator[Pair]:
    """`count` pairs of a photograph, one of 64, and a caption of its own."""
    pictures = itertools.cycle(jpegs(_DIFFERENT, _SIZE, SMOOTH))
    for number, (picture, text) in enumerate(zip(pictures, sentences(count), strict=False)):
        yield Pair(f"{number:08d}", picture, (text,))


def write_tars(folder: Path, count: int) -> str:
    """Writes tars as img2dataset does, with .jpg, .json and .txt of a pair; returns the source."""
    folder.mkdir()
    for number, some in _files(count, PER_FILE):
        with tarfile.open(folder / f"{number:05d}.tar", "w") as archive:
            for pair in some:
                facts = {"key": pair.key, "caption": pair.captions[0], "status": "success"}
                members = {
                    "jpg": pair.image,
                    "json": json.dumps(facts).encode(),
                    "txt": pair.captions[0].encode(),
                }
                for extension, content in members.items():
                    member = tarfile.TarInfo(f"{pair.key}.{extension}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return str(folder)


def write_table(folder: Path, count: int) -> str:
    """Writes a CSV, and a file for each picture; returns the source."""
    folder.mkdir()
    with open(folder / "pairs.csv", "w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["image", "caption"])
        for pair in pairs(count):
            (folder / f"{pair.key}.jpg").write_bytes(pair.image)
            rows.writerow([f"{pair.key}.jpg", *pair.captions])
    return str(folder / "pairs.csv")


def write_shards(folder: Path, count: int, per_file: int = PER_FILE, copies: int = 1) -> str:
    """Writes TFRecord shards with their indexes, as preparation does; returns the source.

    Args:
        folder: to write to.
        count: number of pairs.
        per_file: number of pairs in a shard.
        copies: how often the data set holds every shard, as hard links to the one file.
    """
    folder.mkdir()
    names, counts = [], []
    for number, some in _files(count, per_file):
        shard = f"{folder}/{number:05d}.tfrecord"
        records = [pair.serialize() for pair in some]
        with tf.io.TFRecordWriter(shard) as stream:
            for record in records:
                stream.write(record)
        scan(shard).astype("<u8").tofile(shard + BESIDE)
        for copy in range(copies):
            name = f"train-{number:05d}-{copy:05d}.tfrecord"
            for beside in ("", BESIDE):
                os.link(shard + beside, folder / (name + beside))
            names.append(name)
            counts.append(len(records))
    split = {"files": names, "examples": sum(counts), "counts": counts}
    (folder / "dataset.json").write_text(json.dumps({"splits": {"train": split}}))
    return str(folder)


def _files(count: int, per_file: int) -> Iterator[tuple[int, list[Pair]]]:
    """The pairs of each file, with its number."""
    made = pairs(count)
    return enumerate(iter(lambda: list(itertools.islice(made, per_file)), []))
