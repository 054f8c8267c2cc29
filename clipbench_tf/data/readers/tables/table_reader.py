"""Pairs of a table: pictures in files of their own, captions in its cells."""

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from absl import logging

from clipbench_tf.data.readers import files, index
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tables import rows
from clipbench_tf.data.readers.tables.columns import Column, Columns

PART = 8192  # rows
LOOKING = 16  # threads that look for files: a network file system answers many at a time
TOLD_EVERY = 100  # parts


class TableReader:
    """The rows of a table; every part is a stretch of `PART` of them.

    A row that is no pair has a problem: "bad row" or "bad JSON line", "no picture", "no caption",
    "bad label", "missing file", "unreadable file".

    Args:
        path: of the table.
        kind: how its rows are read.
        columns: what they hold.
        images: folder of pictures whose paths are relative; "" for the working directory.
        header: whether the first row names the columns.
        place: makes a path of what the column of pictures holds.
        missing: "refuse", so that `check` looks for every picture, some 4 minutes for 15 million on
            a local disk, or "skip", so that it does not.
    """

    def __init__(
        self,
        path: str,
        kind: rows.Rows,
        columns: Columns,
        images: str,
        *,
        header: bool = False,
        place: Callable[[str], str] = str,
        missing: str = "refuse",
    ) -> None:
        self.path, self.kind, self.columns = path, kind, columns
        self.images = f"{images.rstrip('/')}/" if images else ""
        self.header, self.place, self.may_miss = header, place, missing == "skip"
        self.name = path.rpartition("/")[2]

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """Where the rows begin, and the last ends: uint64 [N + 1]."""
        found = index.kept(
            self.path, f"rows {self.kind}", lambda: {"starts": rows.starts(self.path, self.kind)}
        )["starts"]
        found = found[1:] if self.header else found
        if len(found) < 2:
            raise DatasetError(f"{self.path} has no rows{' below its header' * self.header}.")
        return found

    @property
    def examples(self) -> int:
        """See `Reader`."""
        return len(self.starts) - 1

    @functools.cached_property
    def counts(self) -> tuple[int, ...]:
        """See `Reader`."""
        return tuple(min(PART, self.examples - n) for n in range(0, self.examples, PART))

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """See `Reader`."""
        edges = [*range(0, self.examples, PART), self.examples]
        return tuple(f"{self.name}[{a}:{b}]" for a, b in itertools.pairwise(edges))

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """See `Reader`."""
        start = part * PART + first
        data = enumerate(self._rows(start, count), start)
        return [self._pair(number, row).serialize() for number, row in data]

    def missing(self) -> Iterator[str]:
        """The paths, as the table has them, at which there is no file."""
        counts = self.counts
        with ThreadPoolExecutor(LOOKING) as pool:
            # In portions, as the pool would otherwise take in all parts and keep what it finds.
            for first in range(0, len(counts), TOLD_EVERY):
                portion = range(first, min(first + TOLD_EVERY, len(counts)))
                for paths in pool.map(self._missing, portion):
                    yield from paths
                if len(counts) > TOLD_EVERY:
                    logging.info(
                        "Looked for the pictures of %d of %d rows of %s.",
                        min((first + TOLD_EVERY) * PART, self.examples),
                        self.examples,
                        self.path,
                    )

    def check(self) -> None:
        """Looks for the files of all rows unless they may be missing; see `CheckedReader`.

        Raises:
            DatasetError: if some are missing, naming the first ten.
        """
        if self.may_miss:
            return
        found = self.missing()
        named = list(itertools.islice(found, 10))
        total = len(named) + sum(1 for _ in found)
        more = f" and {total - 10} more" if total > 10 else ""
        if named:
            raise DatasetError(
                f"{total} of the {self.examples} rows of {self.path} name pictures that are "
                f"missing from {self.images or '.'}: {', '.join(named)}{more}. Give the folder of "
                f"the pictures behind the path, as ?images=FOLDER, or copy them there; "
                f"scripts/prepare_data.py leaves such rows out and counts them, and so does "
                f"training with ?missing=skip, which does not look for them before."
            )

    def _rows(self, start: int, count: int) -> list[bytes]:
        return files.read_between(self.path, self.starts[start : start + count + 1].tolist())

    def _pair(self, number: int, row: bytes) -> Pair:
        key = f"{self.name}:{number}"
        try:
            cells = self.kind.cells(row)
            image = self._image(cells)
            key = cell(cells, self.columns.key) or (f"{key}:{image}" if image else key)
            if problem := cell(cells, self.columns.problem):
                raise rows.BadRow(problem)
            captions = tuple(_texts(cells, self.columns.captions))
            if not image or not captions:
                raise rows.BadRow("no caption" if image else "no picture")
            return Pair(key, self._picture(image), captions, _label(cells, self.columns.label))
        except rows.BadRow as problem:
            return Pair(key, problem=str(problem))

    def _image(self, cells: rows.Cells) -> str:
        """The path of a picture as the table has it, "" where it has none."""
        image = cell(cells, self.columns.image)
        return self.place(image) if image else ""

    def _picture(self, image: str) -> bytes:
        for path in self._places(image):
            try:
                return files.read(path)
            except (FileNotFoundError, ValueError):  # ValueError: a NUL in the path
                continue
            except OSError as error:
                raise rows.BadRow("unreadable file") from error
        raise rows.BadRow("missing file")

    def _missing(self, part: int) -> list[str]:
        found = []
        for row in self._rows(part * PART, self.counts[part]):
            try:
                cells = self.kind.cells(row)
            except rows.BadRow:
                continue
            image = "" if cell(cells, self.columns.problem) else self._image(cells)
            if image and not any(map(files.exists, self._places(image))):
                found.append(image)
        return found

    def _places(self, image: str) -> Iterator[str]:
        """Where the picture may be; a table made on Windows has backslashes for slashes."""
        root = "" if image.startswith("/") or files.is_remote(image) else self.images
        yield root + image
        if "\\" in image:
            yield root + image.replace("\\", "/")


def cell(cells: rows.Cells, column: Column | None) -> str:
    """The text of a cell without spaces around it, or "" where it has none."""
    value = None if column is None else cells.get(column)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return value.strip() if isinstance(value, str) else str(value) if numeric else ""


def _texts(cells: rows.Cells, columns: tuple[Column, ...]) -> Iterator[str]:
    """The captions of a row that have any text, as found."""
    for column in columns:
        value = cells.get(column)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.strip():
                yield text


def _label(cells: rows.Cells, column: Column | None) -> int:
    text = cell(cells, column)
    whole = text.removesuffix(".0")  # as pandas writes a column in which some are missing
    if text and not re.fullmatch(r"[+-]?\d{1,18}", whole):
        raise rows.BadRow("bad label")
    return int(whole) if text else -1
