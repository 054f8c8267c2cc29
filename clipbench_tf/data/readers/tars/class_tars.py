"""Tars of ImageNet: those called by a synset, and those with a folder for each synset."""

import re
from collections.abc import Sequence

import numpy as np

from clipbench_tf.data.readers import files, index
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.index import Arrays
from clipbench_tf.data.readers.labelled import imagenet
from clipbench_tf.data.readers.tars import tar_index
from clipbench_tf.data.readers.tars.tar_headers import REGULAR, members

_FLAT = b"ILSVRC2012_val_"
_FOLDER = re.compile(rb"(?:^|/)(n\d{8})/")


def synsets(paths: Sequence[str]) -> list[str]:
    """The classes of tars, sorted; none unless they are two or more synsets of ImageNet-1k.

    They are what all tars are called, as in n01440764.tar, or else the folders in them, if the
    first picture lies in such a folder. Then all headers are read once.

    Raises:
        DatasetError: if the first tar holds tars, or ImageNet's validation set without folders.
    """
    found = {path.rpartition("/")[2].removesuffix(".tar") for path in paths}
    if not imagenet.are_classes(found):
        first = _first_file(paths[0])
        _refuse_unlabelled(paths[0], first)
        if not _FOLDER.search(first):
            return []
        found = set().union(*map(_folders, paths))
    return sorted(found) if len(found) > 1 and imagenet.are_classes(found) else []


def _first_file(path: str) -> bytes:
    """The name of the first file in a tar that is a tar or belongs to a sample; empty without."""
    for member in members(tar_index.window(path), 0, files.size(path)):
        known = tar_index.belongs(member) or member.name.endswith(b".tar")
        if member.kind in REGULAR and known:
            return member.name
    return b""


def _refuse_unlabelled(path: str, first: bytes) -> None:
    folder = path.removesuffix(".tar")
    unpack = f"`mkdir {folder}; tar -xf {path} -C {folder}`"
    if first.endswith(b".tar"):
        raise DatasetError(f"{path} holds tars: unpack it by {unpack}, and give {folder}.")
    if first.rpartition(b"/")[2].startswith(_FLAT) and not _FOLDER.search(first):
        raise DatasetError(
            f"{path} has ImageNet's validation set without its labels: unpack it by {unpack}, put "
            f"ILSVRC's list of labels beside the folder, and give {folder}."
        )


def _folders(path: str) -> set[str]:
    """The synsets by which folders in a tar are called."""

    def build() -> Arrays:
        names = (member.name for member in members(tar_index.window(path), 0, files.size(path)))
        matches = (_FOLDER.search(name) for name in names)
        return {"synsets": np.array(sorted({match[1] for match in matches if match}), "S9")}

    return {name.decode() for name in index.kept(path, "synsets 1", build)["synsets"].tolist()}
