"""Pictures in a folder for each class: for zero-shot evaluation, or to train on class names."""

import itertools
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.options import refuse_unknown, specification
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.reader import Reader
from clipbench_tf.data.readers.text import decoded

PART = 8192  # files
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".jxl")
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
SPLITS |= dict.fromkeys(("val", "valid", "validation"), "validation")
_HIDDEN = (".", "__MACOSX")
# "n02119789 kit fox", also as in the ImageNet kit, "n02119789 1 kit_fox"; others with a tab.
_NAMED = re.compile(r"(n\d{8})\s+(?:\d+\s+)?(\S.*)|([^\t]+)\t(.*\S.*)")
# What the first validation picture of ImageNet shows, among the sorted synsets: a sea snake.
_KNOWN_PICTURE, _KNOWN_CLASS = "ILSVRC2012_val_00000001.", 65


def open_class_folders(path: str, options: Mapping[str, str]) -> Dataset:
    """Pictures in `path/<class>/`, in `path/<split>/<class>/`, or in `path` with a list of labels.

    Labels follow the sorted names of the class folders, of all splits together. Folders below
    those of a class are searched too, but not through links. A pair's caption is its class name.

    Args:
        path: the folder. Its folders are splits if two or all of them have names of `SPLITS`.
        options: `classnames`, a file with the name of each class (see `class_names`), by default
            the folders' names; `templates`, one with a prompt a line; `labels`, one with the class
            of each picture in `path`, in the order of their names: a synset a line, or a number
            that counts the lines of `classnames` (from 0 if there is a 0, else from 1).

    Raises:
        DatasetError: if there are not two classes or more, or the files contradict each other.
    """
    source, root = specification(path, options), path.rstrip("/")
    refuse_unknown(options, ("classnames", "templates", "labels"), source)
    if not tf.io.gfile.isdir(path):
        raise DatasetError(f"{path} is no folder; correct the path.")
    splits, names = (_labelled if "labels" in options else _in_folders)(root, options)
    if len(names) < 2:
        raise DatasetError(
            f"{path} has pictures of one class only, {names[0]!r}; to tell classes apart takes two "
            f"or more folders of pictures. Pictures with captions are read by way of a .csv file."
        )
    prompts = templates(options, Dataset.templates)
    return Dataset(root.rpartition("/")[2], splits, names, prompts, source)


class PictureReader:
    """Picture files with labels, in parts of `PART`.

    The order is by a checksum of the path, so that every stretch has pictures of many classes.

    Args:
        paths: below `root`. They are kept as one string, some 50 bytes each.
        label: of a path.
        classes: the names, which are the captions.
    """

    def __init__(
        self, root: str, paths: Iterable[str], label: Callable[[str], int], classes: Sequence[str]
    ) -> None:
        encoded = sorted(sorted(map(os.fsencode, paths)), key=zlib.crc32)
        self.root, self.classes, self.examples = root, tuple(classes), len(encoded)
        self._paths = b"".join(encoded)
        self._ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        self._labels = np.fromiter(map(label, map(os.fsdecode, encoded)), np.int32)

    @property
    def counts(self) -> Sequence[int]:
        """See `Reader`."""
        return [min(PART, self.examples - first) for first in range(0, self.examples, PART)]

    @property
    def names(self) -> Sequence[str]:
        """See `Reader`."""
        return [f"pictures-{part:05d}" for part in range(len(self.counts))]

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """See `Reader`."""
        start = part * PART + first
        return [self._pair(number).serialize() for number in range(start, start + count)]

    def _pair(self, number: int) -> Pair:
        key = os.fsdecode(self._paths[self._ends[number] : self._ends[number + 1]])
        label = int(self._labels[number])
        try:
            image = files.read(f"{self.root}/{key}")
        except FileNotFoundError:
            return Pair(key, label=label, problem="missing file")
        return Pair(key, image, (self.classes[label],), label)


def class_names(folders: Sequence[str], options: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the classes in `folders`, from the file of the option `classnames` if given.

    It has a name a line, or is a JSON list of names, in the order of `folders`; or it has lines
    "n01440764 tench" or "<folder><tab><name>", in any order, and of more classes if it likes.
    Underscores stand for spaces.

    Raises:
        DatasetError: if a class has no name, or two the same.
    """
    file = options.get("classnames")
    listed = _listed(file) if file else [("", folder) for folder in folders]
    if any(folder for folder, _ in listed):
        known = dict(listed)
        if missing := [folder for folder in folders if folder not in known]:
            raise DatasetError(f"{file} has no name for {_some(missing)}; add a line for each.")
        listed = [("", known[folder]) for folder in folders]
    if len(listed) != len(folders):
        raise DatasetError(
            f"{file} has {len(listed)} names, but there are {len(folders)} classes, from "
            f"{folders[0]} to {folders[-1]}; give one for each, or begin each line with the "
            f"folder, as in 'n01440764 tench'."
        )
    names = tuple(" ".join(name.replace("_", " ").split()) for _, name in listed)
    first: dict[str, str] = {}
    for folder, name in zip(folders, names, strict=True):
        if first.setdefault(name, folder) != folder:
            raise DatasetError(
                f"The classes {first[name]!r} and {folder!r} are both called {name!r}; rename one, "
                f"or give names that differ by the option classnames."
            )
    if all(re.fullmatch(r"n\d{8}", name) for name in names):
        logging.warning(
            "The classes are called %s, ...: prompts of synsets will not read well. Give their "
            "names by the option classnames.",
            names[0],
        )
    return names


def templates(options: Mapping[str, str], default: tuple[str, ...]) -> tuple[str, ...]:
    """The prompts in the file of the option `templates`, one a line.

    Raises:
        DatasetError: if one has no {} for the class name, or there is none.
    """
    if "templates" not in options:
        return default
    lines = _lines(options["templates"])
    if wrong := [line for line in lines if "{}" not in line]:
        raise DatasetError(
            f"{options['templates']}: the template {wrong[0]!r} has no {{}} for the class name; "
            f"put one in."
        )
    return tuple(lines)


def _in_folders(root: str, options: Mapping[str, str]) -> tuple[dict[str, Reader], tuple[str, ...]]:
    """The splits, and the names of the classes, of pictures in a folder for each class."""
    below = _folders(root)
    splits = {folder: SPLITS[folder.lower()] for folder in below if folder.lower() in SPLITS}
    divided = len(set(splits.values())) > 1 or len(splits) == len(below) > 0
    found: dict[str, dict[str, list[str]]] = {}  # by split and class
    ignored = 0
    for base in [f"{folder}/" for folder in splits] if divided else [""]:
        split = found.setdefault(splits[base[:-1]] if divided else "all", {})
        for name in _folders(f"{root}/{base}"):
            paths, others = _pictures(root, f"{base}{name}")
            split.setdefault(name, []).extend(paths)
            ignored += others
    classes = sorted({name for split in found.values() for name, paths in split.items() if paths})
    if not classes:
        raise DatasetError(
            f"{root} has no folders with pictures ({', '.join(EXTENSIONS)}). Put those of each "
            f"class into {root}/<class> or {root}/train/<class>, or give the option labels, a file "
            f"with the class of each picture."
        )
    if ignored:
        logging.info("%s: %d files are hidden or no pictures: ignored.", root, ignored)
    empty = {name for split in found.values() for name in split}.difference(classes)
    empty |= {name for name, split in found.items() if not any(split.values())}
    empty |= set(below) - set(splits) if divided else set()
    if empty:
        logging.warning("%s: left out %s: no folders with pictures.", root, _some(empty))
    names = class_names(classes, options)
    number = {name: label for label, name in enumerate(classes)}

    def label(path: str) -> int:
        return number[path.split("/", 2)[divided]]

    readers: dict[str, Reader] = {
        name: PictureReader(root, itertools.chain(*split.values()), label, names)
        for name, split in found.items()
        if any(split.values())
    }
    return readers, names


def _labelled(root: str, options: Mapping[str, str]) -> tuple[dict[str, Reader], tuple[str, ...]]:
    """The same of pictures in one folder with a list of labels: ImageNet's validation set."""
    paths, ignored = _pictures(root, "")
    if ignored:
        logging.info("%s: %d files are hidden or no pictures: ignored.", root, ignored)
    file, given = options["labels"], _lines(options["labels"])
    if len(given) != len(paths):
        raise DatasetError(
            f"{file} has {len(given)} labels, but {root} has {len(paths)} pictures; it must have "
            f"one for each, in the order of their names."
        )
    listed = _listed(options["classnames"]) if "classnames" in options else []
    order = [folder for folder, _ in listed if folder]
    if all(map(str.isdecimal, given)):
        numbers = list(map(int, given))
        order = order or [f"{number:09d}" for number in range(len(listed))]
        if max(numbers) - (min(numbers) > 0) >= len(order):
            raise DatasetError(
                f"{file} has numbers up to {max(numbers)}, which count the lines of the option "
                f"classnames, but that has {len(order)}; correct one of them."
            )
        given = [order[number - (min(numbers) > 0)] for number in numbers]
    classes = sorted(set(order or given))
    if unknown := set(given).difference(classes):
        raise DatasetError(f"{options['classnames']} has no name for {_some(unknown)} of {file}.")
    number = {name: label for label, name in enumerate(classes)}
    labels = {path: number[name] for path, name in zip(sorted(paths), given, strict=True)}
    for path, label in labels.items():
        if path.startswith(_KNOWN_PICTURE) and len(classes) == 1000 and label != _KNOWN_CLASS:
            raise DatasetError(
                f"By {file}, {path} is of class {label}, but it is of {_KNOWN_CLASS}, n01751748. "
                f"The numbers of ImageNet's validation_ground_truth.txt follow an order of their "
                f"own: give its map_clsloc.txt as classnames, or labels with a synset a line."
            )
    names = class_names(classes, options)
    return {"all": PictureReader(root, paths, labels.__getitem__, names)}, names


def _listed(file: str) -> list[tuple[str, str]]:
    """(folder or "", name) of each class in a file, in its order; see `class_names`."""
    lines = _lines(file)
    if lines[0].startswith("["):
        try:
            lines = [str(name) for name in json.loads("\n".join(lines))]
        except ValueError as error:
            raise DatasetError(f"{file} is no JSON list of class names: {error}.") from error
    found = [(line, _NAMED.fullmatch(line)) for line in lines]
    return [(m[1] or m[3], m[2] or m[4]) if m else ("", line) for line, m in found]


def _folders(place: str) -> list[str]:
    place = place.rstrip("/")  # in a bucket, a//b is not a/b
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(place)]
    shown = [name for name in names if not name.startswith(_HIDDEN)]
    return sorted(name for name in shown if tf.io.gfile.isdir(f"{place}/{name}"))


def _pictures(root: str, folder: str) -> tuple[list[str], int]:
    """The paths below `root` of the pictures in a folder, and the number of its other files."""
    paths, others = [], 0
    walk = tf.io.gfile.walk if files.is_remote(root) else os.walk
    for place, below, names in walk(f"{root}/{folder}".rstrip("/")):
        below[:] = [name for name in below if not name.startswith(_HIDDEN)]
        base = f"{place.rstrip('/')}/"[len(root) + 1 :]
        shown = [name for name in names if not name.startswith(_HIDDEN)]
        pictures = [base + name for name in shown if name.lower().endswith(EXTENSIONS)]
        paths += pictures
        others += len(names) - len(pictures)
    return paths, others


def _some(names: Iterable[str]) -> str:
    """Up to ten names, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 10} more" if len(ordered) > 10 else ""
    return ", ".join(ordered[:10]) + more


def _lines(file: str) -> list[str]:
    """The lines of a text file that are not blank."""
    try:
        lines = [line.strip() for line in decoded(files.read(file)).splitlines()]
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DatasetError(f"There is no file {file}; correct its path.") from error
    if not any(lines):
        raise DatasetError(f"{file} is empty.")
    return [line for line in lines if line]
