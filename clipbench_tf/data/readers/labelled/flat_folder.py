"""Pictures in one folder with a list of their classes, as ImageNet's validation set comes."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf
from absl import logging

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled import imagenet, imagenet_kit
from clipbench_tf.data.readers.labelled.class_names import SHIPPED, listed, ordered, some
from clipbench_tf.data.readers.labelled.pictures import pictures_below
from clipbench_tf.data.readers.labelled.text_list import lines

# Labels of ImageNet's validation set: Kaggle's, two with a synset a line, and ILSVRC's kit's.
LISTS = (
    "LOC_val_solution.csv",
    "ILSVRC2012_validation_synset_labels.txt",
    "imagenet_2012_validation_synset_labels.txt",
    "ILSVRC2012_validation_ground_truth.txt",
)
_KIT = "ILSVRC2012_devkit_t12/data"
_NUMBERED = re.compile(r"ILSVRC2012_val_(\d{8})\.")
_LEVELS = 5  # Kaggle's list lies four folders above the pictures
_SORTED_FIRST = 65  # number of the first picture's class among the sorted synsets, from 0


def is_validation_set(root: str) -> bool:
    """Whether pictures of ImageNet's validation set lie in the folder itself."""
    return any(_NUMBERED.match(name) for name in tf.io.gfile.listdir(root))


def labels(root: str, options: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """(classes, the class of each picture by its path) of the pictures in a folder.

    Classes are those in the lists, sorted, whether the folder has pictures of them or not.

    Args:
        root: the folder.
        options: `labels`, a file: a line for each picture, in the order of their names (where these
            are ILSVRC2012_val_00000001.JPEG, ..., of their numbers), or lines "<picture>,<label>";
            labels are synsets, other names, or numbers. Without it, one of `LISTS` near the
            folder. `classnames`, a file; if labels are numbers, they count its lines (from 0 if
            there is a 0, else from 1), or are in it, as in "n02119789 1 kit_fox". Without it, they
            are those of ILSVRC's kit, which has to lie near, or ImageNet's sorted synsets from 0.

    Raises:
        DatasetError: if labels are missing or not known, or it is not certain what they count.
    """
    paths, ignored = pictures_below(root, "")
    if ignored:
        logging.info("%s: %d files are hidden or no pictures: ignored.", root, ignored)
    file = options.get("labels") or _list_near(root)
    every, given = _read(file, root, sorted(paths))
    names = options.get("classnames", SHIPPED)
    if all(map(str.isdecimal, every)):
        order = _order(file, given, every, names)
        if unknown := {text for text in every if int(text) not in order}:
            raise DatasetError(
                f"{file} has numbers up to {max(map(int, every))}, and no class is known of "
                f"{some(ordered(unknown))} among {len(order)}; correct it, or the classnames."
            )
        given = {path: order[int(text)] for path, text in given.items()}
        classes = set(order.values())
    else:
        classes = set(every)
        if names != SHIPPED and (entries := listed(names, classes))[0].id:
            classes = {entry.id for entry in entries}
            if unknown := set(every) - classes:
                raise DatasetError(f"{names} has no name for {some(sorted(unknown))} of {file}.")
    imagenet.check_first(given.items(), file)
    return tuple(ordered(classes)), given


def _read(file: str, root: str, paths: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """(all labels in a file, those of `paths`)."""
    given = [line.text for line in lines(file)]
    rows = [re.split(r"[,\s]+", text) for text in given]
    head, stems = rows[0][0] == "ImageId", set(map(_stem, paths))  # as Kaggle's table begins
    named = head or any(_stem(row[0]) in stems for row in rows)
    if named and all(len(row) > 1 for row in rows):
        by_name = {_stem(row[0]): row[1] for row in rows[head:]}
        if missing := [path for path in paths if _stem(path) not in by_name]:
            raise DatasetError(f"{file} has no label for {some(missing)} in {root}; add a line.")
        return list(by_name.values()), {path: by_name[_stem(path)] for path in paths}
    numbers = [_NUMBERED.match(path.rpartition("/")[2]) for path in paths]
    if paths and all(numbers):
        places = [int(match[1]) - 1 for match in numbers if match]
    else:
        places = list(range(len(paths)))
    if len(given) != len(paths) and (not paths or not all(numbers) or max(places) >= len(given)):
        raise DatasetError(
            f"{file} has {len(given)} labels, but {root} has {len(paths)} pictures; it must have "
            f"one for each, in the order of their names."
        )
    return given, {path: given[place] for path, place in zip(paths, places, strict=True)}


def _order(
    file: str, given: Mapping[str, str], every: Sequence[str], classnames: str
) -> Mapping[int, str]:
    """What the numbers in the file of labels stand for."""
    first = min(1, *map(int, every))
    known = [int(text) for path, text in given.items() if imagenet.FIRST_PICTURE in path]
    if classnames == SHIPPED:
        if first == 0 and known == [_SORTED_FIRST]:
            return dict(enumerate(imagenet.names()))
        if first and (kit := imagenet_kit.order_near(_places(os.path.dirname(file) or "."))):
            return kit
        raise DatasetError(
            f"{file} has numbers, and nothing tells which classes they count. If they are those of "
            f"ILSVRC's kit, whose order is its own, put its {imagenet_kit.TEXT} or "
            f"{imagenet_kit.MATLAB[0]} beside the file; or give labels with a synset a line, as in "
            f"{LISTS[1]}; or the classes in their order by classnames."
        )
    if all(re.match(r"n\d{8}\s+\d+\s", line.text) for line in lines(classnames)):
        return imagenet_kit.in_text(classnames)
    entries = listed(classnames)
    ids = [entry.id or f"{number:09d}" for number, entry in enumerate(entries)]
    official = any(_NUMBERED.search(path) for path in given)
    if official and len(ids) == len(imagenet.names()) and ids == sorted(ids):
        state = ""
        if wrong := [number - first for number in known if number - first != _SORTED_FIRST]:
            state = f"by it that is of class {wrong[0]}, not of {_SORTED_FIRST}"
        elif not known and first:
            state = "without that, this cannot be told"
        if state:
            raise DatasetError(
                f"{file} may have the numbers of ILSVRC's kit, whose order is its own, but "
                f"{classnames} has the classes in sorted order. {imagenet.FIRST_PICTURE}JPEG would "
                f"tell: {state}. Give the kit's {imagenet_kit.TEXT} as classnames, or labels with "
                f"a synset a line."
            )
    return dict(enumerate(ids, first))


def _list_near(root: str) -> str:
    """The first of `LISTS` in the folder, above it, or in ILSVRC's kit there."""
    for place in _places(root):
        for name in LISTS:
            if files.exists(f"{place}/{name}"):
                logging.info("The labels of %s are those of %s/%s.", root, place, name)
                return f"{place}/{name}"
    raise DatasetError(
        f"{root} has pictures of ImageNet's validation set, and no list of their classes is there "
        f"or above it ({', '.join(LISTS)}). Copy one there, give another by the option labels, or "
        f"put the pictures into folders called by their synsets."
    )


def _places(root: str) -> Iterator[str]:
    """The folder and those above it, each with the folder of ILSVRC's kit in it."""
    remote = files.is_remote(root)
    place = root if remote else os.path.abspath(root)
    for _ in range(_LEVELS):
        yield place
        yield f"{place}/{_KIT}"
        place = place.rpartition("/")[0]
        if not place or (remote and not files.is_remote(place)):
            return


def _stem(path: str) -> str:
    """The name of a picture, without folders and extension."""
    return os.path.splitext(path.rpartition("/")[2])[0]
