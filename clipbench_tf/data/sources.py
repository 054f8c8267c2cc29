"""Data sets by name, folder, file or pattern: the one place that knows which reader reads what."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf
from absl import logging

from clipbench_tf.data.mixture import MixtureReader
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import flat_folder
from clipbench_tf.data.readers.labelled.class_folders import open_class_folders
from clipbench_tf.data.readers.labelled.described import DESCRIPTION, open_described
from clipbench_tf.data.readers.labelled.pictures import EXTENSIONS
from clipbench_tf.data.readers.labelled.tfds import open_tfds
from clipbench_tf.data.readers.options import options_in
from clipbench_tf.data.readers.pair import parse
from clipbench_tf.data.readers.synthetic import open_synthetic
from clipbench_tf.data.readers.tables.tables import open_table
from clipbench_tf.data.readers.tars.tars import open_tars, tar_names
from clipbench_tf.data.stream import explained, iterated, records

__all__ = [
    "EMBEDDED",
    "Dataset",
    "DatasetError",
    "explained",
    "iterated",
    "load",
    "parse",
    "records",
]

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
_TABLE = r"\.(csv|tsv|jsonl|ndjson)$"  # names of files that hold captions, and hardly anything else


def load(source: str | os.PathLike[str] | Mapping[str, int]) -> Dataset:
    """Opens a data set.

    Args:
        source: one of `FORMS`, with options of its reader behind a question mark, as in
            "pets.csv?caption=title&images=photos"; or a mixture, sources with their weights (see
            `MixtureReader`), of which the split "train" is read.

    Raises:
        DatasetError: if there is none, or it cannot be read as it is.
    """
    if isinstance(source, Mapping):
        return _mixed(source)
    if not isinstance(source, str | os.PathLike):
        raise DatasetError(
            f"{source!r} is no data set; give its path, or a dict of weights by path."
        )
    try:
        return _opened(os.fspath(source))
    except (OSError, tf.errors.OpError) as error:
        raise DatasetError(f"Data set {str(source)!r} cannot be read: {error}") from error


def _opened(source: str) -> Dataset:
    path, options = split_options(source)
    if path.endswith(f"/{DESCRIPTION}"):
        path = path.removesuffix(f"/{DESCRIPTION}")
    folder = str(EMBEDDED / path) if _described(str(EMBEDDED / path)) else path
    if _described(folder):
        _refuse(options, source)
        return open_described(folder, source)
    if path and tf.io.gfile.isdir(path):
        return _of_folder(path, options, source)
    for pattern, opener in _OPENERS.items():
        if re.match(pattern, path, re.IGNORECASE):
            return opener(path, options)
    raise _unknown(source, path)


def _of_folder(path: str, options: Mapping[str, str], source: str) -> Dataset:
    if tar_names(path):
        return open_tars(path, options)
    if "labels" in options or flat_folder.is_validation_set(path):
        return open_class_folders(path, options)
    root = path.rstrip("/")
    inside = [f"{root}/{name.rstrip('/')}" for name in sorted(tf.io.gfile.listdir(path))]
    folders = [path for path in inside if tf.io.gfile.isdir(path)]
    try:
        if not folders:
            raise _unknown(source, path)
        found = open_class_folders(path, options)
    except DatasetError as error:
        raise DatasetError(f"{error}{_instead([root, *folders])}") from error
    if hint := _instead([root]):
        logging.warning("%s is read as a folder for each class.%s", path, hint)
    return found


def _instead(folders: Sequence[str]) -> str:
    """A hint at the first of the tars, tables and captions in `folders`, or ""."""
    for folder in folders:
        names = sorted(tf.io.gfile.listdir(folder))
        tables = [name for name in names if re.search(_TABLE, name, re.IGNORECASE)]
        for name in ["*.tar"] * bool(tar_names(folder)) + tables[:1]:
            return f" For the pictures and captions of {folder}/{name}, give that path."
        pictures = {Path(name).stem for name in names if name.lower().endswith(EXTENSIONS)}
        if pictures.intersection(Path(name).stem for name in names if name.endswith(".txt")):
            return (
                f" Pictures with a .txt each are read from a tar, such as this makes: "
                f"tar -cf {folder}.tar -C {folder} ."
            )
    return ""


def split_options(source: str) -> tuple[str, dict[str, str]]:
    """The path in a source, and the options behind its question mark."""
    found = re.fullmatch(r"(.*?)\?(\w+=.*)", source, re.DOTALL)
    if not found or files.exists(source):
        return os.path.expanduser(source), {}
    options = options_in(found[2], source)
    home = {name: os.path.expanduser(value) for name, value in options.items()}
    return os.path.expanduser(found[1]), home


def _mixed(weights: Mapping[str, int]) -> Dataset:
    if not weights:
        raise DatasetError("A mixture needs at least one source, as in {'data/a': 1, 'b.csv': 2}.")
    found = {source: load(source) for source in weights}
    readers = {source: dataset.split("train") for source, dataset in found.items()}
    name = "+".join(dataset.name for dataset in found.values())
    return Dataset(name, {"train": MixtureReader(readers, weights)}, source=str(dict(weights)))


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
