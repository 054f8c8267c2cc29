"""A choice of the records of a split, as a split of its own."""

from collections.abc import Sequence

import numpy as np

from clipbench_tf.data.readers.reader import Reader


class Selection:
    """A `Reader` of some records of another one; the others are not read.

    Args:
        reader: has the records, N in all.
        places: which ones, int64 in 0 to N - 1, ascending.
    """

    def __init__(self, reader: Reader, places: np.ndarray) -> None:
        self._reader, self._places = reader, places
        ends = np.cumsum([0, *reader.counts])
        self._starts = ends[:-1]
        self._bounds = np.searchsorted(places, ends)

    @property
    def examples(self) -> int:
        """Number of chosen records."""
        return len(self._places)

    @property
    def counts(self) -> Sequence[int]:
        """Number of chosen records in each part."""
        return np.diff(self._bounds).tolist()

    @property
    def names(self) -> Sequence[str]:
        """Those of the parts."""
        return self._reader.names

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """The chosen records `first` to `first + count - 1` of a part."""
        start = self._bounds[part] + first
        wanted = self._places[start : start + count] - self._starts[part]
        records = []
        for run in np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1):
            if len(run):
                records += self._reader.read(part, int(run[0]), len(run))
        return records


def evenly_spread(examples: int, limit: int | None) -> np.ndarray:
    """Places of `limit` of so many records at equal distances, or of all of them, int64."""
    if limit is None or limit >= examples:
        return np.arange(examples, dtype=np.int64)
    if limit < 1:
        raise ValueError(f"A limit of {limit} pictures leaves none; give 1 or more, or none.")
    return np.arange(limit, dtype=np.int64) * examples // limit
