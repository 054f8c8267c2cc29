"""What every source of pairs offers: runs of consecutive records, by part and number."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


class Reader(Protocol):
    """The pairs of one split, in parts (shards, archives, stretches of a table).

    A part is read at any place at the same cost. Nothing is skipped on the way: what cannot be read
    is a record too, with the `problem` of its `Pair`, so that all pairs are accounted for.
    """

    @property
    def examples(self) -> int:
        """Number of records in all parts, known without reading them where a description has it."""

    @property
    def counts(self) -> Sequence[int]:
        """Number of records in each part.

        Raises:
            DatasetError: if the files do not hold what their description says.
        """

    @property
    def names(self) -> Sequence[str]:
        """What to call each part in messages and reports: file names without folders."""

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """The serialised records `first` to `first + count - 1` of a part (see `Pair`).

        Raises:
            OSError: if a file cannot be read, after some tries.
        """


@runtime_checkable
class CheckedReader(Protocol):
    """A reader that can tell before a run whether everything is there."""

    def check(self) -> None:
        """Looks for all files.

        Raises:
            DatasetError: naming the first ten that are missing.
        """
