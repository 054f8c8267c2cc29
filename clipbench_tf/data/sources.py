"""Data sets by name, folder, file or pattern: the one place that knows which reader reads what."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

import tensorflow as tf

from clipbench_tf.data.mixture import MixtureReader
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.class_folders import open_class_folders
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.described import DESCRIPTION, open_described
from clipbench_tf.data.readers.pair import parse
from clipbench_tf.data.readers.synthetic import open_synthetic
from clipbench_tf.data.readers.tables.tables import open_table
from clipbench_tf.data.readers.tars.tars import open_tars
from clipbench_tf.data.readers.tfds import open_tfds
from clipbench_tf.data.stream import records

__all__ = ["EMBEDDED", "Dataset", "DatasetError", "load", "parse", "records"]

EMBEDDED = Path(__file__).parent  # data sets that ship with the package, by name
FORMS = (
    "the name of an embedded one ({embedded}), a folder with dataset.json, with tars, or with a "
    "folder for each class, .tar files by a pattern such as data/{{000..331}}.tar, a .csv, .tsv, "
    ".json or .jsonl file, tfds:<name>, or synthetic:<number>"
)
_OPENERS = {
    r"tfds:": open_tfds,
    r"synthetic:": open_synthetic,
    r".*(\.tar(\.\w+)?|\.tgz)$": open_tars,
    r".*\.(csv|tsv|txt|json|jsonl|ndjson)(\.gz|\.bz2)?$": open_table,
}


def load(source: str | Mapping[str, int]) -> Dataset:
    """Opens a data set.

    Args:
        source: one of `FORMS`, with options of its reader behind a question mark, as in
            "pets.csv?caption=title&images=photos"; or a mixture, sources with their weights (see
            `MixtureReader`), of which the split "train" is read.

    Raises:
        DatasetError: if there is none, or it cannot be read as it is.
    """
    if not isinstance(source, str):
        return _mixed(source)
    path, options = split_options(source)
    folder = str(EMBEDDED / path) if _described(str(EMBEDDED / path)) else path
    if _described(folder):
        _refuse(options, source)
        return open_described(folder, source)
    for pattern, opener in _OPENERS.items():
        if re.match(pattern, path):
            return opener(path, options)
    if path and tf.io.gfile.isdir(path):
        names = tf.io.gfile.listdir(path)
        if any(name.endswith(".tar") for name in names):
            return open_tars(f"{path.rstrip('/')}/*.tar", options)
        inside = (f"{path.rstrip('/')}/{name}" for name in names)
        if "labels" in options or any(map(tf.io.gfile.isdir, inside)):
            return open_class_folders(path, options)
    raise _unknown(source, path)


def split_options(source: str) -> tuple[str, dict[str, str]]:
    """The path in a source, and the options behind its question mark."""
    found = re.fullmatch(r"(.*?)\?(\w+=.*)", source, re.DOTALL)
    return (found[1], dict(parse_qsl(found[2], keep_blank_values=True))) if found else (source, {})


def _mixed(weights: Mapping[str, int]) -> Dataset:
    if not weights:
        raise DatasetError("A mixture needs at least one source, as in {'data/a': 1, 'b.csv': 2}.")
    readers = {source: load(source).split("train") for source in weights}
    name = "+".join(weights)
    return Dataset(name, {"train": MixtureReader(readers, weights)}, source=name)


def _described(folder: str) -> bool:
    return files.exists(f"{folder.rstrip('/')}/{DESCRIPTION}")


def _refuse(options: Mapping[str, str], source: str) -> None:
    if options:
        raise DatasetError(
            f"{source!r} has options, but a data set with dataset.json takes none; remove them."
        )


def _unknown(source: str, path: str) -> DatasetError:
    embedded = ", ".join(sorted(p.parent.name for p in EMBEDDED.glob(f"*/{DESCRIPTION}")))
    state = "is no folder and no file"
    if path and files.exists(path):
        folder = tf.io.gfile.isdir(path)
        state = (
            "exists but holds no dataset.json, no tars and no folders of classes"
            if folder
            else "is a file of no form that is read"
        )
    return DatasetError(f"Data set {source!r} {state}. Give {FORMS.format(embedded=embedded)}.")
