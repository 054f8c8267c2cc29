"""Picture files in folders, found and read as pairs with labels."""

import os
import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.pair import Pair

PART = 8192  # files
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".jxl")
_HIDDEN = (".", "__MACOSX")


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


def folders_in(place: str) -> list[str]:
    """The names of the folders in `place` that are not hidden, sorted."""
    place = place.rstrip("/")  # in a bucket, a//b is not a/b
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(place)]
    shown = [name for name in names if not name.startswith(_HIDDEN)]
    return sorted(name for name in shown if tf.io.gfile.isdir(f"{place}/{name}"))


def pictures_below(root: str, folder: str) -> tuple[list[str], int]:
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
