"""Data sets on disk: a folder with `dataset.json` and TFRecord shards."""

import dataclasses
import functools
import json
import struct
from pathlib import Path

import tensorflow as tf
from absl import logging

EMBEDDED = Path(__file__).parent  # data sets that ship with the package, by name

FEATURES = {
    "key": tf.io.FixedLenFeature([], tf.string),
    "image": tf.io.FixedLenFeature([], tf.string),
    "captions": tf.io.RaggedFeature(tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
}


class DatasetError(ValueError):
    """A data set that cannot be used; the message names it and the remedy."""


@dataclasses.dataclass(frozen=True)
class Split:
    """The shards of one split; `examples` counts all of its records, `counts` those by file."""

    files: tuple[str, ...]
    examples: int
    counts: tuple[int, ...] | None = None

    def counted(self) -> "Split":
        """The split with `counts`; where they are None, the headers of all records are read, once.

        Raises:
            DatasetError: if they do not add up to `examples`.
        """
        counts = self.counts or _counts(self.files)
        if sum(counts) != self.examples or len(counts) != len(self.files):
            raise DatasetError(
                f"The {len(self.files)} shards beside {self.files[0]} hold {sum(counts)} records, "
                f"but dataset.json says {self.examples}; correct its examples and counts."
            )
        return dataclasses.replace(self, counts=counts)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The content of `dataset.json`. `classes[label]` is a class name, `templates` make prompts.

    `source` is what `load` was given: the name of an embedded data set, or a folder.
    """

    name: str
    splits: dict[str, Split]
    classes: tuple[str, ...] = ()
    templates: tuple[str, ...] = ("a photo of a {}",)
    source: str = dataclasses.field(default="", compare=False)

    def split(self, name: str) -> Split:
        """The split called `name`.

        Raises:
            DatasetError: if there is none.
        """
        if name not in self.splits:
            raise DatasetError(
                f"Data set {self.name} has no split {name!r}; it has {', '.join(self.splits)}."
            )
        return self.splits[name]


def load(name_or_folder: str) -> Dataset:
    """The embedded data set of that name, or the one in that folder.

    Raises:
        DatasetError: if there is neither, shards are missing, or the description cannot be read.
    """
    embedded = EMBEDDED / name_or_folder
    folder = embedded if _described(embedded) else Path(name_or_folder)
    description = folder / "dataset.json"
    if not description.is_file():
        names = ", ".join(sorted(p.parent.name for p in EMBEDDED.glob("*/dataset.json")))
        state = "exists but holds no dataset.json" if folder.is_dir() else "is no folder"
        raise DatasetError(
            f"Data set {name_or_folder!r} {state}. Give one of the embedded ones ({names}) "
            f"or a folder with dataset.json and TFRecord shards."
        )
    try:
        fields = json.loads(description.read_text(encoding="utf-8"))
        splits = {
            name: Split(
                tuple(str(folder / f) for f in split["files"]),
                int(split["examples"]),
                tuple(map(int, split.get("counts", ()))) or None,
            )
            for name, split in fields["splits"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{description} is no description of a data set: {error!r}.") from error
    missing = [f for s in splits.values() for f in s.files if not Path(f).is_file()]
    if missing:
        raise DatasetError(
            f"{description} names {len(missing)} shards that are missing, first {missing[0]}; "
            f"copy them there or build the data set again."
        )
    return Dataset(
        name=fields.get("name", folder.name),
        splits=splits,
        classes=tuple(fields.get("classes", ())),
        templates=tuple(fields.get("templates", Dataset.templates)),
        source=name_or_folder,
    )


def _described(folder: Path) -> bool:
    return (folder / "dataset.json").is_file()


def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """One serialised tf.train.Example -> key, image, captions [C], label."""
    return tf.io.parse_single_example(record, FEATURES)


def records(split: Split) -> tf.data.Dataset:
    """One pass over the serialised records of `split`, in the order of its shards."""
    return tf.data.TFRecordDataset(list(split.files))


def shuffled_stream(
    split: Split,
    *,
    seed: int,
    start: int = 0,
    worker: int = 0,
    workers: int = 1,
    buffer: int = 16384,
    parallel_files: int = 16,
) -> tf.data.Dataset:
    """Endless stream of (position int64, serialised record), reshuffled each epoch.

    Position p is record p % examples of epoch p // examples; the order depends on `seed` and
    the epoch alone, so that a stream started at `start` equals the rest of one started at 0. Files
    are shuffled, read `parallel_files` at a time, and mixed in a buffer of `buffer` records.

    Each of several workers has its `share` of the records, with its own order and positions:
    consecutive shards in the epoch's order, the first and the last of them in part. Together the
    workers read every record once an epoch; a worker opens no shards but its own.

    Raises:
        DatasetError: with several workers, if the shards do not hold what `split` says.
    """
    low, high = share(split.examples, worker, workers)
    examples = high - low
    if workers > 1:
        split = split.counted()

    @tf.autograph.experimental.do_not_convert
    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        seeds = tf.random.experimental.stateless_fold_in(tf.constant([seed, 0x5EED]), number)
        seeds = tf.cast(tf.bitwise.bitwise_and(seeds, 0x7FFFFFFF), tf.int64)
        order = tf.argsort(tf.random.stateless_uniform([len(split.files)], seeds))
        files = tf.gather(list(split.files), order)
        skips, takes = _parts(split, order, low, high)
        read = takes != 0
        stream = tf.data.Dataset.from_tensor_slices((files[read], skips[read], takes[read]))
        stream = stream.interleave(
            lambda file, skip, take: tf.data.TFRecordDataset(file).skip(skip).take(take),
            cycle_length=parallel_files,
            block_length=16,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        positions = tf.data.Dataset.range(number * examples, (number + 1) * examples)
        # Each worker shuffles with its own seed.
        return tf.data.Dataset.zip(
            positions, _shuffled(stream, buffer, seeds + tf.constant([0, worker], tf.int64))
        )

    first, skipped = divmod(start, examples)
    stream = epoch(tf.constant(first, tf.int64)).skip(skipped)
    rest = tf.data.Dataset.range(first + 1, tf.int64.max).flat_map(epoch)
    return stream.concatenate(rest)


def share(examples: int, worker: int, workers: int) -> tuple[int, int]:
    """The range [first, end) of an epoch's `examples` that `worker` of `workers` reads."""
    return worker * examples // workers, (worker + 1) * examples // workers


def _parts(split: Split, order: tf.Tensor, low: int, high: int) -> tuple[tf.Tensor, tf.Tensor]:
    """How many records to skip and to take (-1: all) of each shard in `order`, int64 [files].

    They are the records [low, high) of the shards in that order, one after the other.
    """
    if (low, high) == (0, split.examples):
        return tf.zeros_like(order, tf.int64), -tf.ones_like(order, tf.int64)
    counts = tf.gather(tf.constant(split.counts, tf.int64), order)
    starts = tf.cumsum(counts, exclusive=True)
    skips = tf.clip_by_value(low - starts, 0, counts)
    return skips, tf.clip_by_value(high - starts, 0, counts) - skips


@functools.cache
def _counts(files: tuple[str, ...]) -> tuple[int, ...]:
    if len(files) > 100:
        logging.warning(
            "Counting the records of %d shards beside %s, as dataset.json has no counts.",
            len(files),
            files[0],
        )
    return tuple(_count(file) for file in files)


def _count(file: str) -> int:
    """Number of records in a TFRecord file; each is 8 bytes of length, 4 of CRC, data, 4 of CRC."""
    number = 0
    with Path(file).open("rb") as stream:
        while head := stream.read(12):
            stream.seek(struct.unpack("<Q", head[:8])[0] + 4, 1)
            number += 1
    return number


def _shuffled(strings: tf.data.Dataset, buffer: int, seeds: tf.Tensor) -> tf.data.Dataset:
    """`strings.shuffle` with two seeds given as a tensor, int64 [2].

    The method itself mixes in TensorFlow's global seed, and fails where that is 0.
    """
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(strings),
        buffer_size=buffer,
        seed=seeds[0],
        seed2=seeds[1],
        output_types=[tf.string],
        output_shapes=[[]],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled, strings.element_spec)
