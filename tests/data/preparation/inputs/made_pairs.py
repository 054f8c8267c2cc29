"""Small sources of pairs, and what is read back of what was prepared."""

import io
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from clipbench_tf.data import sources
from clipbench_tf.data.readers.pair import Pair


def picture(number: int, size: tuple[int, int] = (24, 20), form: str = "PNG", **options) -> bytes:
    """One that no other number gives; its corner holds the number."""
    pixels = np.random.default_rng(number).integers(0, 256, [size[1], size[0], 3], np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def pairs(count: int, first: int = 0) -> list[Pair]:
    return [
        Pair(f"key/{number}", picture(number), (f"caption number {number}",), number % 3)
        for number in range(first, first + count)
    ]


def write(folder: Path, **splits: list[Pair]) -> str:
    """A data set of two shards a split, as others may have written it."""
    folder.mkdir(parents=True)
    described = {}
    for split, found in splits.items():
        names = [f"{split}-{part}.tfrecord" for part in range(2)]
        halves = found[: len(found) // 2], found[len(found) // 2 :]
        for name, half in zip(names, halves, strict=True):
            with tf.io.TFRecordWriter(str(folder / name)) as writer:
                for pair in half:
                    writer.write(pair.serialize())
        described[split] = {"files": names, "examples": len(found)}
    (folder / "dataset.json").write_text(json.dumps({"splits": described}))
    return str(folder)


def read(folder: Path | str, split: str = "train") -> list[Pair]:
    """The pairs of a split, as training reads them."""
    reader = sources.load(str(folder)).splits[split]
    return [
        Pair.of(record)
        for part, count in enumerate(reader.counts)
        for record in reader.read(part, 0, count)
    ]


def keys(folder: Path | str, split: str = "train") -> list[str]:
    return [pair.key for pair in read(folder, split)]


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder; of dataset.json, what does not depend on the folder's name."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    fields = json.loads(found["dataset.json"])
    del fields["name"]
    return {**found, "dataset.json": json.dumps(fields).encode()}
