"""Frozen features of the pictures of a split, for probes."""

import dataclasses
import threading
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.images.decoding import FORMATS
from clipbench_tf.data.selection import Selection, evenly_spread
from clipbench_tf.evaluation.encoders import Encoders

Told = Callable[[str, int, int | None], None]  # of what, done, total


def silent(what: str, done: int, total: int | None) -> None:
    """A `Told` that tells nobody."""


@dataclasses.dataclass(frozen=True)
class Features:
    """What a model makes of the N pictures of a split that can be decoded, in order.

    Attributes:
        values: float32 [N, D].
        labels: int64 [N].
        places: index of each picture in the split, int64 [N].
        corrupt: number of pictures that cannot be decoded, which are left out.
    """

    values: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    corrupt: int


def frozen(
    encoders: Encoders,
    dataset: sources.Dataset,
    split: str,
    *,
    batch_size: int = 128,
    at_most: int | None = None,
    told: Told = silent,
) -> Features:
    """Encodes the pictures of a split, in order.

    The features lie in memory, 4 D bytes a picture: 3.9 GB for the 1,281,167 training pictures of
    ImageNet at width 768.

    Args:
        encoders: the model.
        dataset: has the split, in which each picture has a label.
        split: its name.
        batch_size: pictures encoded together.
        at_most: number of pictures to read, at equal distances; all by default.
        told: is told of the progress.

    Raises:
        DatasetError: if the split cannot be read, has a picture without a label or with one that
            names no class, or no picture that can be decoded.
        ValueError: for an `at_most` below 1.
    """
    reader = dataset.split(split)
    chosen = evenly_spread(reader.examples, at_most)
    values, filled, read = np.zeros([0, 0], np.float32), 0, 0
    labels, places = [], []
    with sources.explained(dataset.name) as failed:
        stop = threading.Event()
        records = sources.records(Selection(reader, chosen), failed=failed, stopped=stop.is_set)
        with sources.iterated(_batches(chosen, records, batch_size), stop) as batches:
            for batch in batches:
                rows, images, classes = batch[0].numpy(), batch[1], batch[2].numpy()
                features, valid = (value.numpy() for value in encoders.image_features(images))
                if not read:  # now the width is known; one array, so that none is there twice
                    values = np.empty([len(chosen), features.shape[1]], np.float32)
                labels.append(classes[valid])  # a record that cannot be read has none
                places.append(rows[valid])
                _check(labels[-1], places[-1], dataset, split)
                values[filled : filled + len(places[-1])] = features[valid]
                filled, read = filled + len(places[-1]), read + len(rows)
                told(f"features of {split}", read, len(chosen))
    if not filled:
        raise sources.DatasetError(
            f"Split {split} of data set {dataset.name} has no picture that can be decoded "
            f"({len(chosen)} tried) as {FORMATS}; choose another split."
        )
    corrupt = len(chosen) - filled
    return Features(values[:filled], np.concatenate(labels), np.concatenate(places), corrupt)


def frozen_splits(
    encoders: Encoders,
    dataset: sources.Dataset,
    at_most: Mapping[str, int | None],
    *,
    batch_size: int = 128,
    told: Told = silent,
) -> list[Features]:
    """`frozen` for each split that is a key of `at_most`, and so many of its pictures."""
    return [
        frozen(encoders, dataset, split, batch_size=batch_size, at_most=limit, told=told)
        for split, limit in at_most.items()
    ]


def class_count(dataset: sources.Dataset, *features: Features) -> int:
    """The number of classes: as the data set names them, or else as the labels say."""
    return len(dataset.classes) or 1 + max(int(some.labels.max()) for some in features)


def check_apart(dataset: sources.Dataset, train_split: str, split: str) -> None:
    """Complains if one of the splits is not there, or both are the same pictures.

    Raises:
        DatasetError: in these cases.
    """
    if dataset.split(train_split) is dataset.split(split):
        raise sources.DatasetError(
            f"{train_split} and {split} of data set {dataset.name} are the same pictures; a probe "
            "learns from one split and is scored on another, so name two."
        )


def _batches(chosen: np.ndarray, records: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Batches of (index in the split int64 [B], encoded image string [B], label int64 [B])."""

    @tf.autograph.experimental.do_not_convert
    def fields(place: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        example = sources.parse(record)
        return place, example["image"], example["label"]

    numbered = tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(chosen), records)
    return numbered.map(fields).batch(batch_size).prefetch(2)


def _check(labels: np.ndarray, places: np.ndarray, dataset: sources.Dataset, split: str) -> None:
    """Complains of a label that names no class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= (len(dataset.classes) or np.inf)))
    if len(wrong):
        known = f"classes are 0 to {len(dataset.classes) - 1}" if dataset.classes else "-1 is none"
        raise sources.DatasetError(
            f"Split {split} of data set {dataset.name} holds the label {labels[wrong[0]]} at "
            f"picture {places[wrong[0]]}, but {known}; choose a labelled split."
        )
