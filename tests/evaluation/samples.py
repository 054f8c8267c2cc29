"""A tiny method, pictures and data sets, for the tests of evaluation and export."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.method import Method
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_text import ImageText

SIZE, LENGTH = 8, 16
NAMES = ("red", "green light", "blue", "black hole in the sky", "white")
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255))


def tiny_method(name: str = "tiny") -> tuple[Method, Tokenizer]:
    """A method with pooled and token objectives, 4 patches, width 8."""
    tower = {"width": 8, "depth": 2, "heads": 2, "embed_dim": 6}
    method = Method(
        image_encoder=VisionTransformer(image_size=SIZE, patch_size=4, **tower),
        text_encoder=TextTransformer(context_length=LENGTH, **tower),
        objectives=[ImageText(), FineGrained(width=5)],
        name=name,
    )
    method.build(
        {
            "images": tf.zeros([2, 1, SIZE, SIZE, 3], tf.uint8),
            "ids": tf.ones([2, 1, LENGTH], tf.int32),
        }
    )
    rng = np.random.default_rng(1)
    for variable in method.trainable_variables:  # large enough to tell pictures apart
        if len(variable.shape) > 1:
            variable.assign(rng.normal(scale=0.5, size=variable.shape))
    return method, Tokenizer(context_length=LENGTH)


def png(colour: Sequence[int], size: int = 12) -> bytes:
    """An encoded picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), tuple(colour)).save(buffer, "PNG")
    return buffer.getvalue()


def write_dataset(
    folder: Path,
    splits: dict[str, list[tuple[bytes, int]]],
    classes: Sequence[str] = NAMES,
    templates: Sequence[str] = ("{}", "a {} thing"),
) -> Path:
    """A data set as `sources.load` reads it; a split is a list of (encoded image, label)."""
    description = {"name": "tiny", "classes": list(classes), "templates": list(templates)}
    description["splits"] = {}
    for name, examples in splits.items():
        with tf.io.TFRecordWriter(str(folder / f"{name}.tfrecord")) as writer:
            for number, (image, label) in enumerate(examples):
                feature = {
                    "key": _bytes(f"{name}/{number}".encode()),
                    "image": _bytes(image),
                    "captions": _bytes(b"a caption"),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())
        description["splits"][name] = {"files": [f"{name}.tfrecord"], "examples": len(examples)}
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
