"""Pictures in a folder for each class: for zero-shot evaluation, or to train on class names."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple
from unicodedata import normalize

import tensorflow as tf
from absl import logging

from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import flat_folder, imagenet
from clipbench_tf.data.readers.labelled.class_names import ordered, some
from clipbench_tf.data.readers.labelled.naming import named
from clipbench_tf.data.readers.labelled.pictures import (
    EXTENSIONS,
    PictureReader,
    folders_in,
    pictures_below,
)
from clipbench_tf.data.readers.options import refuse_unknown, specification
from clipbench_tf.data.readers.reader import Reader

SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
SPLITS |= dict.fromkeys(("val", "valid", "validation"), "validation")
Found = Mapping[str, Mapping[str, list[str]]]  # paths of pictures, by split and class


class Classes(NamedTuple):
    """What the data calls the classes, what they are called, and prompts for that."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    templates: tuple[str, ...]


def open_class_folders(path: str, options: Mapping[str, str]) -> Dataset:
    """Pictures in `path/<class>/`, in `path/<split>/<class>/`, or in `path` with a list of labels.

    Labels follow the sorted names of the class folders, of all splits together; numbers are sorted
    by value. Folders below those of a class are searched too, but not through links. A pair's
    caption is its class name. Folders called by synsets of ImageNet get CLIP's names and prompts.

    Args:
        path: the folder. Its folders are splits if two or all of them have names of `SPLITS`.
        options: `classnames`, a file with the name of each class (see `class_names`), by default
            the folders' names; `templates`, one with a prompt a line, or a set (see
            `prompts.load`); `labels`, one with the class of each picture in `path` (see
            `flat_folder.labels`), which for ImageNet's validation set is found beside it.

    Raises:
        DatasetError: if there are not two classes or more, or the files contradict each other.
    """
    source, root = specification(path, options), path.rstrip("/")
    refuse_unknown(options, ("classnames", "templates", "labels"), source)
    if not tf.io.gfile.isdir(path):
        raise DatasetError(f"{path} is no folder; correct the path.")
    flat = "labels" in options or flat_folder.is_validation_set(root)
    splits, classes = (_flat if flat else _splits)(root, options)
    if len(classes.names) < 2:
        raise DatasetError(
            f"{path} has pictures of one class only, {classes.ids[0]!r}; to tell classes apart "
            f"takes two or more folders of pictures. Pictures with captions are read by way of a "
            f".csv file."
        )
    name = root.rpartition("/")[2]
    return Dataset(name, splits, classes.names, classes.templates, source, classes.ids)


def _flat(root: str, options: Mapping[str, str]) -> tuple[dict[str, Reader], Classes]:
    """The same of pictures in one folder with a list of labels."""
    ids, by_path = flat_folder.labels(root, options)
    classes = Classes(ids, *named(ids, options))
    number = {name: label for label, name in enumerate(ids)}
    reader = PictureReader(root, by_path, lambda path: number[by_path[path]], classes.names)
    return {"all": reader}, classes


def _splits(root: str, options: Mapping[str, str]) -> tuple[dict[str, Reader], Classes]:
    """The splits and the classes of pictures in a folder for each class."""
    below = folders_in(root)
    splits = {folder: SPLITS[folder.lower()] for folder in below if folder.lower() in SPLITS}
    divided = len(set(splits.values())) > 1 or len(splits) == len(below) > 0
    found: dict[str, dict[str, list[str]]] = {}  # by split and class
    ignored = 0
    for base in [f"{folder}/" for folder in splits] if divided else [""]:
        split = found.setdefault(splits[base[:-1]] if divided else "all", {})
        if base and flat_folder.is_validation_set(f"{root}/{base[:-1]}"):
            logging.warning(
                "%s/%s has pictures in no folder of a class: left out. Give that folder itself, "
                "with the list of its labels beside it.",
                root,
                base[:-1],
            )
        for name in folders_in(f"{root}/{base}"):
            paths, others = pictures_below(root, f"{base}{name}")
            split.setdefault(normalize("NFC", name), []).extend(paths)
            ignored += others
    classes = {name for split in found.values() for name, paths in split.items() if paths}
    if not classes:
        raise DatasetError(
            f"{root} has no folders with pictures ({', '.join(EXTENSIONS)}). Put those of each "
            f"class into {root}/<class> or {root}/train/<class>, or give the option labels, a file "
            f"with the class of each picture."
        )
    if ignored:
        logging.info("%s: %d files are hidden or no pictures: ignored.", root, ignored)
    empty = {name for split in found.values() for name in split} - classes
    empty |= {name for name, split in found.items() if not any(split.values())}
    empty |= set(below) - set(splits) if divided else set()
    if empty:
        logging.warning("%s: left out %s: no folders with pictures.", root, some(sorted(empty)))
    for split in found.values():
        for name, paths in split.items():
            imagenet.check_first(zip(paths, itertools.repeat(name)), "its folder")
    return _readers(root, options, found, divided)


def _readers(
    root: str, options: Mapping[str, str], found: Found, divided: bool
) -> tuple[dict[str, Reader], Classes]:
    """The same of the pictures that are `found`, in folders of splits or not `divided`."""
    ids = ordered({name for split in found.values() for name, paths in split.items() if paths})
    classes = Classes(tuple(ids), *named(ids, options))
    number = {name: label for label, name in enumerate(ids)}

    def label(path: str) -> int:
        return number[normalize("NFC", path.split("/", 2)[divided])]

    readers: dict[str, Reader] = {
        name: PictureReader(root, itertools.chain(*split.values()), label, classes.names)
        for name, split in found.items()
        if any(split.values())
    }
    return readers, classes
