"""Labelled vectors as a data set, and encoders that give these back."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data.readers.dataset import Dataset
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.evaluation.probes.features import Features
from tests.evaluation.retrieval.samples import Pairs

BAD = b"bad"
NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")


class Vectors:
    """`Encoders` whose pictures are the bytes of their own features, float32 [D]."""

    feature_kind = "pooled"

    def __init__(self, scale: float = 1.0, shift: float = 0.0) -> None:
        self.scale, self.shift = scale, shift

    def image_features(self, encoded):
        known = [b"" if one == BAD else one for one in encoded.numpy()]
        width = max(map(len, known)) // 4 or 3
        vectors = [np.frombuffer(one or b"\0" * 4 * width, np.float32) for one in known]
        features = np.stack(vectors) * np.float32(self.scale) + np.float32(self.shift)
        return tf.constant(features), tf.constant([bool(one) for one in known])


def pair(vector: Sequence[float] | bytes, label: int) -> Pair:
    content = vector if isinstance(vector, bytes) else np.asarray(vector, np.float32).tobytes()
    return Pair("key", content, ("a caption",), int(label))


def dataset(classes: Sequence[str] = NAMES, **splits: Sequence[tuple]) -> Dataset:
    """A data set called tiny; each split is a list of (vector or bytes, label)."""
    made = {name: Pairs([pair(*one) for one in rows]) for name, rows in splits.items()}
    return Dataset("tiny", made, tuple(classes))


def blobs(rng: np.random.Generator, count: int, *, classes: int = 7, width: int = 5, noise=1.0):
    """(vector, label) pairs around a centre for each class; the same centres each time."""
    centres = np.random.default_rng(99).normal(size=(classes, width))
    labels = rng.integers(0, classes, size=count)
    return list(zip(centres[labels] + noise * rng.normal(size=(count, width)), labels, strict=True))


def features(rows: Sequence[tuple]) -> Features:
    """As `frozen` makes them of a split."""
    values, labels = zip(*rows, strict=True)
    return Features(
        np.array(values, np.float32), np.array(labels, np.int64), np.arange(len(rows)), 0
    )
