"""The metadata of YFCC100M (Thomee et al. 2016, arXiv:1503.01817), in all forms it is spread in.

A line for each photo, cells between tabs, free text URL-encoded with + for a space. The last 22
cells are the same in both releases: user id and nickname, dates taken and uploaded, camera, title,
description, user and machine tags, longitude, latitude, accuracy, page, download URL, licence and
its URL, server, farm, secret, original secret, extension, marker (0 a photo, 1 a video). Before
them the first release (ten files, yfcc100m_dataset-0.bz2 to -9.bz2) has the photo's number, 23
cells in all, and the later one (yfcc100m_dataset.bz2) its line number, photo number and hash, 25.
The same lies in the bucket multimedia-commons as an SQLite file, tools/etc/yfcc100m_dataset.sql.
"""

import bz2
import contextlib
import gzip
import itertools
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

import numpy as np

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError

BATCH = 1 << 16  # photos
SQLITE = b"SQLite format 3\0"
QUERY = "SELECT photoid, title, description, pageurl, licensename FROM yfcc100m_dataset"


class Photo(NamedTuple):
    """What is known of a photo, decoded; title and description may be empty and hold HTML."""

    title: str
    description: str
    page: str
    licence: str


class Photos(NamedTuple):
    """Some photos.

    Attributes:
        ids: photo numbers, int64 [N]; -1 for a damaged line.
        lines: line numbers, int64 [N]; -1 where the release has none.
        photo: the photo at a place in `ids`, None for a damaged line.
    """

    ids: np.ndarray
    lines: np.ndarray
    photo: Callable[[int], Photo | None]


def photos(path: str) -> Iterator[Photos]:
    """All photos (and videos) of a file of metadata, in its order, a `BATCH` at a time.

    Raises:
        DatasetError: if it has none of the forms, or is cut short or damaged.
    """
    if files.read(path, 0, len(SQLITE)) == SQLITE:
        yield from _of_database(path)
    else:
        yield from _of_lines(path)


def unpacked(path: str) -> Iterator[bytes]:
    """The lines of a file, unpacked if it is packed with gzip or bzip2.

    Raises:
        DatasetError: if it is cut short or damaged.
    """
    magic = files.read(path, 0, 3)
    try:
        with files.open_binary(path) as raw:
            if magic == b"BZh":
                with bz2.BZ2File(raw) as stream:
                    yield from stream
            elif magic[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield from stream
            else:
                yield from raw
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(path, error) from error


def number(text: bytes) -> int:
    """`text` as a number, or -1."""
    return int(text) if text.isdigit() and len(text) < 19 else -1


def _damaged(path: str, error: Exception) -> DatasetError:
    return DatasetError(f"{path} cannot be read to its end ({error}); copy it again.")


def _of_lines(path: str) -> Iterator[Photos]:
    lines, width = unpacked(path), 0
    while batch := list(itertools.islice(lines, BATCH)):
        width = width or batch[0].count(b"\t") + 1
        if width not in (23, 25):
            raise DatasetError(
                f"{path} has {width} cells between tabs in its first line: the metadata of "
                f"YFCC100M has 23 (its first release) or 25."
            )
        yield _photos(batch, width)


def _photos(batch: list[bytes], width: int) -> Photos:
    before = width - 22  # cells before the user's id

    def photo(place: int) -> Photo | None:
        cells = batch[place].rstrip(b"\r\n").decode("utf-8", "replace").split("\t")
        own = cells[before:]
        return _decoded(own[5], own[6], own[12], own[14]) if len(cells) == width else None

    heads = [line.split(b"\t", 2) for line in batch]
    has_line = width == 25
    ids = (number(head[has_line]) if len(head) == 3 else -1 for head in heads)
    lines = (number(head[0]) if has_line else -1 for head in heads)
    return Photos(
        np.fromiter(ids, np.int64, len(batch)), np.fromiter(lines, np.int64, len(batch)), photo
    )


def _of_database(path: str) -> Iterator[Photos]:
    if files.is_remote(path):
        raise DatasetError(f"{path} is a database, which is read here only; copy it to a disk.")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as found:
            cursor = found.execute(QUERY)
            while batch := cursor.fetchmany(BATCH):

                def photo(place: int, batch: list[tuple] = batch) -> Photo:
                    return _decoded(*(str(text or "") for text in batch[place][1:]))

                ids = np.array([row[0] for row in batch], np.int64)
                yield Photos(ids, np.full(len(batch), -1), photo)
    except sqlite3.Error as error:
        raise _damaged(path, error) from error


def _decoded(title: str, description: str, page: str, licence: str) -> Photo:
    return Photo(unquote_plus(title), unquote_plus(description), page, unquote_plus(licence))
