"""Small data sets of numbered pairs, and pipelines that read them."""

import io
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from clipbench_tf.data.images.image_views import ImageViews, View
from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.data.text import caption_ops
from clipbench_tf.data.text.tokenizer import Tokenizer

SIZE, LENGTH = 12, 16
PLAIN = View(
    scale=(1.0, 1.0),
    ratio=(1.0, 1.0),
    jitter_probability=0.0,
    grayscale_probability=0.0,
    blur_probability=0.0,
    flip_probability=0.0,
)
VARIED = View(blur_sigma=(0.1, 1.0))
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def upper(captions: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Another text view that tells which caption it was made of."""
    return tf.strings.join(["view two of ", captions])


def picture(number: int) -> bytes:
    """A plain one, whose red says which record it is of."""
    out = io.BytesIO()
    Image.fromarray(np.full([16, 16, 3], [number, 100, 200], np.uint8)).save(out, "PNG")
    return out.getvalue()


def write(
    folder: Path, count: int, corrupt: tuple[int, ...] = (), mute: tuple[int, ...] = ()
) -> str:
    """A data set of `count` pairs; some pictures are cut short, some have no caption."""
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "train.tfrecord")) as writer:
        for number in range(count):
            words = [f"number {NUMBERS[int(digit)]}" for digit in f"{number:03d}"]
            captions = [f"{' '.join(words)}, caption {c}" for c in ("one", "two")]
            image = picture(number)[: 40 if number in corrupt else None]
            values = {
                "key": [f"key/{number}".encode()],
                "image": [image],
                "captions": [c.encode() for c in captions if number not in mute],
            }
            feature = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
                for name, value in values.items()
            }
            features = tf.train.Features(feature=feature)
            writer.write(tf.train.Example(features=features).SerializeToString())
    fields = {"splits": {"train": {"files": ["train.tfrecord"], "examples": count}}}
    (folder / "dataset.json").write_text(json.dumps(fields))
    return str(folder)


def pipeline(dataset: str, tokenizer: Tokenizer, views=(PLAIN,), **arguments) -> Pipeline:
    """One that loses no time with XLA."""
    return Pipeline(
        **{
            "dataset": dataset,
            "tokenizer": tokenizer,
            "image_views": ImageViews(size=SIZE, views=views, compiled=False),
            "caption_views": [caption_ops.plain],
            "batch_size": 4,
            "shuffle_buffer": 8,
            **arguments,
        }
    )


def take(made: Pipeline, count: int, start: int = 0) -> list[dict[str, np.ndarray]]:
    return list(made.batches(start).take(count).as_numpy_iterator())


def assert_equal(batches, others) -> None:
    assert len(batches) == len(others) > 0
    for batch, other in zip(batches, others, strict=True):
        assert batch.keys() == other.keys()
        for name, value in batch.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)
