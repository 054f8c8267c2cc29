"""Writes the shards, dataset.json and the checksums."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from clipbench_tf.data.emoji.build.splits import hash_fraction

# Training shards are split in two so that reading several shards is exercised.
SHARDS = {"train": 2, "validation": 1, "test": 1, "zero_shot": 1}


def serialize(key: str, image: bytes, captions: list[str], label: int) -> bytes:
    """One tf.train.Example of the data set contract, the same bytes every time."""

    def texts(values: list[bytes]) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                "key": texts([key.encode()]),
                "image": texts([image]),
                "captions": texts([caption.encode() for caption in captions]),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
        )
    )
    return bytes(example.SerializeToString(deterministic=True))


def write_shards(folder: Path, split: str, records: dict[str, bytes]) -> list[str]:
    """Writes records (key -> serialized) in an order fixed by their keys' hash.

    Returns the file names; records go to the split's shards in turn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = sorted(records, key=lambda key: hash_fraction("order", key))
    count = SHARDS[split]
    names = []
    for shard in range(count):
        names.append(f"{split}-{shard:05d}-of-{count:05d}.tfrecord")
        with tf.io.TFRecordWriter(str(folder / names[-1])) as writer:
            for key in keys[shard::count]:
                writer.write(records[key])
    return names


def write_json(path: Path, content: Any) -> None:
    """Writes readable UTF-8 JSON with a final newline."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files under `folder`, by relative name."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)
    }
