"""The pictures that a search looks through: all below a folder, or those of a data set."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from clipbench_tf.data import sources
from clipbench_tf.data.checksum import data_checksum
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled.described import DESCRIPTION
from clipbench_tf.data.readers.labelled.pictures import PictureReader, pictures_below
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.reader import Reader
from clipbench_tf.data.readers.tars.tars import tar_names
from clipbench_tf.data.selection import evenly_spread


class Searchable:
    """Pictures by place, 0 to `total` - 1.

    A folder counts with everything below it, whatever its folders are called, unless it holds
    tars or a data set's description; of a data set, all splits count.

    Args:
        source: a folder of pictures, or what `sources.load` opens.

    Raises:
        DatasetError: if it cannot be read, or has no pictures.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        path, options = sources.split_options(source)
        if options or not _is_plain_folder(path):
            dataset = sources.load(source)
            self.name, readers = dataset.name, list(dataset.splits.values())
            self._checksum = lambda: data_checksum(dataset, list(dataset.splits))
        else:
            found, _ = pictures_below(path.rstrip("/"), "")
            self.name = Path(path).resolve().name
            readers = [PictureReader(path.rstrip("/"), found, lambda name: 0, ("",))]
            self._checksum = lambda: _stamps(path, found)
        self._parts: list[tuple[Reader, int]] = [
            (reader, n) for reader in readers for n in range(len(reader.counts))
        ]
        counts = [count for reader in readers for count in reader.counts]
        self._ends = np.cumsum([0, *counts], dtype=np.int64)
        self.total = int(self._ends[-1])
        if not self.total:
            raise DatasetError(
                f"{source!r} has no pictures to search; give another folder or data set."
            )

    def checksum(self) -> str:
        """Differs when files are added, removed or changed (see `checksum.data_checksum`)."""
        return self._checksum()

    def places(self, limit: int) -> np.ndarray:
        """All places, or `limit` of them at equal distances, int64."""
        return evenly_spread(self.total, limit)

    def read(self, places: Sequence[int]) -> list[Pair]:
        """The pictures at `places`; one that cannot be read is a pair with a `problem`.

        Raises:
            OSError, DatasetError: if the data set itself cannot be read.
        """
        return [self._read_one(int(place)) for place in places]

    def _read_one(self, place: int) -> Pair:
        number = int(np.searchsorted(self._ends, place, side="right")) - 1
        reader, part = self._parts[number]
        return Pair.of(reader.read(part, place - int(self._ends[number]), 1)[0])


def shown_name(pair: Pair) -> str:
    """What to call a picture: its first caption, or its file's name without folders and ending."""
    return next((text for text in pair.captions if text), "") or PurePosixPath(pair.key).stem


def _is_plain_folder(path: str) -> bool:
    if not os.path.isdir(path) or tar_names(path):
        return False
    return not any((base / path / DESCRIPTION).is_file() for base in (sources.EMBEDDED, Path()))


def _stamps(root: str, paths: Sequence[str]) -> str:
    stamps = sorted((path, *files.stamp(f"{root}/{path}")) for path in paths)
    return hashlib.sha256(json.dumps(stamps).encode()).hexdigest()
