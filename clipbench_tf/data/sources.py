"""Data sets on disk: a folder with `dataset.json` and TFRecord shards."""

import dataclasses
import json
from pathlib import Path

import tensorflow as tf

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
    """The shards of one split and the number of records in them."""

    files: tuple[str, ...]
    examples: int


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What `dataset.json` says. `classes[label]` is a class name."""

    name: str
    splits: dict[str, Split]
    classes: tuple[str, ...] = ()
    templates: tuple[str, ...] = ("a photo of a {}",)

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
    """The data set in a folder, or the embedded one of that name.

    Raises:
        DatasetError: if it is neither, the folder is empty or incomplete, or its description
            cannot be read.
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
            name: Split(tuple(str(folder / f) for f in split["files"]), int(split["examples"]))
            for name, split in fields["splits"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{description} is no description of a data set: {error!r}.") from error
    missing = [f for s in splits.values() for f in s.files if not Path(f).is_file()]
    if missing:
        raise DatasetError(
            f"{description} names {len(missing)} shards that are not there, first {missing[0]}; "
            f"copy them there or build the data set again."
        )
    return Dataset(
        name=fields.get("name", folder.name),
        splits=splits,
        classes=tuple(fields.get("classes", ())),
        templates=tuple(fields.get("templates", Dataset.templates)),
    )


def _described(folder: Path) -> bool:
    return (folder / "dataset.json").is_file()


def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """One serialised tf.train.Example -> key, image, captions [C], label."""
    return tf.io.parse_single_example(record, FEATURES)


def records(split: Split) -> tf.data.Dataset:
    """All serialised records of `split` in the order of its shards, once."""
    return tf.data.TFRecordDataset(list(split.files))


def shuffled_stream(
    split: Split, *, seed: int, start: int = 0, buffer: int = 16384, parallel_files: int = 16
) -> tf.data.Dataset:
    """Endless (position int64, serialised record), shuffled anew each epoch.

    Position p is record p % examples of epoch p // examples; the order depends on `seed` and
    the epoch alone, so that a stream begun at `start` equals the rest of one begun at 0. Files
    are shuffled, read `parallel_files` at a time, and mixed in a buffer of `buffer` records.
    """
    examples = split.examples

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        seeds = tf.random.experimental.stateless_fold_in(tf.constant([seed, 0x5EED]), number)
        seeds = tf.cast(tf.bitwise.bitwise_and(seeds, 0x7FFFFFFF), tf.int64)
        order = tf.argsort(tf.random.stateless_uniform([len(split.files)], seeds))
        files = tf.data.Dataset.from_tensor_slices(tf.gather(list(split.files), order))
        stream = files.interleave(
            tf.data.TFRecordDataset,
            cycle_length=parallel_files,
            block_length=16,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        positions = tf.data.Dataset.range(number * examples, (number + 1) * examples)
        return tf.data.Dataset.zip(positions, _shuffled(stream, buffer, seeds))

    first, skipped = divmod(start, examples)
    stream = epoch(tf.constant(first, tf.int64)).skip(skipped)
    rest = tf.data.Dataset.range(first + 1, tf.int64.max).flat_map(epoch)
    return stream.concatenate(rest)


def _shuffled(strings: tf.data.Dataset, buffer: int, seeds: tf.Tensor) -> tf.data.Dataset:
    """`strings.shuffle` by two seeds, int64 [2], that are tensors.

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
