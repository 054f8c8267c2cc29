"""Rows of a table in a text file: where each begins, and what its cells hold."""

import codecs
import csv
import dataclasses
import functools
import json
import re
from typing import Protocol

import numpy as np

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.text import decoded

CHUNK = 1 << 23  # bytes read at a time
SPANNING = 1 << 20  # bytes that a row of several lines may have
LONGEST = 1 << 26  # bytes that a line may have
Cells = dict[str | int, object]  # by number, or by the name of their column
LINE_FEED, RETURN, QUOTE = b'\n\r"'


class BadRow(ValueError):
    """A row that cannot be read; its message is the `problem` of a `Pair`."""


class Rows(Protocol):
    """A kind of table."""

    def cells(self, row: bytes) -> Cells:
        """The cells of a row.

        Raises:
            BadRow: if it cannot be read.
        """

    def spanning(self, data: bytes, edges: np.ndarray, last: bool) -> tuple[np.ndarray, int]:
        """Which lines of `data` begin a row, bool [N], and how many of the lines are told by now.

        Args:
            edges: where the N lines begin, and the last ends, [N + 1].
            last: whether the file ends with `data`.
        """


@dataclasses.dataclass(frozen=True)
class Separated:
    """Cells between separators, in quotes where need be: what the csv module reads.

    A row goes on over several lines only if every quote is closed before a separator, the row has
    as many cells as the others, and all of it is no longer than `SPANNING`. Else its line stands
    alone, so that a quote left open costs one row and not all down to the next quote.

    Attributes:
        separator: one character.
        width: number of cells in a row.
    """

    separator: str
    width: int

    def cells(self, row: bytes) -> Cells:
        """See `Rows`; a row with more or fewer cells is a "bad row"."""
        if len(row) > csv.field_size_limit():
            csv.field_size_limit(len(row))
        text = decoded(row).rstrip("\r\n")
        try:
            cells = next(csv.reader([text], delimiter=self.separator), [])
        except csv.Error:
            cells = []
        if len(cells) != self.width:
            raise BadRow("bad row")
        return dict(enumerate(cells))

    def spanning(self, data: bytes, edges: np.ndarray, last: bool) -> tuple[np.ndarray, int]:
        """See `Rows`."""
        first = np.ones(len(edges) - 1, bool)
        quotes = np.flatnonzero(np.frombuffer(data, np.uint8)[: edges[-1]] == QUOTE)
        quoted = np.zeros(len(edges), bool)
        quoted[np.searchsorted(edges, quotes, side="right") - 1] = True
        until = 0
        for line in np.flatnonzero(quoted).tolist():
            start, end = int(edges[line]), int(edges[line + 1])
            if start < until or self._closed.fullmatch(data, start, end - 1):
                continue
            if row := self._row.match(data, start, start + SPANNING):
                until = row.end()
                first[line + 1 : np.searchsorted(edges, until)] = False
            elif not last and len(data) - start < SPANNING:
                return first, line
        return first, len(first)

    @functools.cached_property
    def _closed(self) -> re.Pattern[bytes]:
        """A line at whose end no quote is open, as the csv module sees it."""
        s = re.escape(self.separator.encode())
        cell = rb'(?:"(?:[^"]++|"")*+"(?:[^"%b][^%b]*+)?+|[^"%b][^%b]*+)?+' % (s, s, s, s)
        return re.compile(rb"(?:%b%b)*+%b" % (cell, s, cell))

    @functools.cached_property
    def _row(self) -> re.Pattern[bytes]:
        """A row of `width` cells whose quotes are closed before a separator or a line's end."""
        s = re.escape(self.separator.encode())
        cell = rb'(?:"(?:[^"]++|"")*+"|[^"%b\r\n][^%b\r\n]*+)?+' % (s, s)
        return re.compile(rb"(?:%b%b){%d}%b\r?\n" % (cell, s, self.width - 1, cell))


@dataclasses.dataclass(frozen=True)
class JsonLines:
    """One JSON object a line."""

    def cells(self, row: bytes) -> Cells:
        """See `Rows`; what is no object is a "bad JSON line"."""
        try:
            cells = json.loads(decoded(row))
        except (ValueError, RecursionError):
            cells = None
        if not isinstance(cells, dict):
            raise BadRow("bad JSON line")
        return cells

    def spanning(self, data: bytes, edges: np.ndarray, last: bool) -> tuple[np.ndarray, int]:
        """See `Rows`: every line is a row."""
        return np.ones(len(edges) - 1, bool), len(edges) - 1


def starts(path: str, rows: Rows) -> np.ndarray:
    """Where the rows of a table begin, the header among them, and the last ends: uint64 [N + 1].

    Empty lines are no rows.

    Raises:
        DatasetError: if a line has more than `LONGEST` bytes.
    """
    found, offset, data, last = [], 0, b"", False
    with files.open_binary(path) as stream:
        while not last:
            chunk = stream.read(CHUNK)
            last = not chunk
            if offset == 0 and not data and chunk.startswith(codecs.BOM_UTF8):
                offset, chunk = len(codecs.BOM_UTF8), chunk[len(codecs.BOM_UTF8) :]
            data += chunk if chunk or data.endswith(b"\n") else b"\n"
            begins, told = _begins(data, rows, last)
            found.append((begins + offset).astype(np.uint64))
            offset, data = offset + told, data[told:]
            if len(data) > LONGEST:
                raise DatasetError(
                    f"{path} has no line break in the {LONGEST >> 20} MB from byte {offset} on, so "
                    f"it is no table with a row on each line."
                )
    return np.concatenate([*found, np.array([files.size(path)], np.uint64)])


def _begins(data: bytes, rows: Rows, last: bool) -> tuple[np.ndarray, int]:
    """Where the rows in `data` begin, and the byte up to which that is told."""
    array = np.frombuffer(data, np.uint8)
    edges = np.concatenate([[0], np.flatnonzero(array == LINE_FEED) + 1])
    begins, lengths = edges[:-1], np.diff(edges)
    empty = (lengths == 1) | ((lengths == 2) & (array[begins] == RETURN))
    first, told = rows.spanning(data, edges, last)
    return begins[:told][(first & ~empty)[:told]], int(edges[told])
