"""Stage 2: pairs that are there twice, exactly, in memory that grows by two bytes a pair.

The hashes of all pairs are dealt to files by their first bits, so that equal ones meet; each file
is sorted by itself. That takes the starting process seconds for a million pairs, and is the same
on every runner.
"""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from clipbench_tf.data.preparation import unit_step
from clipbench_tf.data.preparation.units import Plan, Unit
from clipbench_tf.data.readers import files

KEY, ACROSS = "duplicate key", "picture also in another split"
PICTURE, CAPTION = "duplicate picture", "too many pairs with these captions"
BUCKET = 1 << 20  # rows sorted together, about: some 100 MB
_MOST_BUCKETS = 256
_COLUMNS = ("key", "picture", "captions")
_ROW = np.dtype([("high", ">u8"), ("low", ">u8"), ("pair", "<i8"), ("split", "u1")])
_OTHER = 128  # of rows of data set d that the source is compared with, `split` is this + d
_UNITS_TOGETHER = 64


def also_in(name: str) -> str:
    """The reason to drop a pair whose picture is in another data set."""
    return f"picture also in {name}"


class Duplicates:
    """Which of the pairs that stage 1 has kept are duplicates.

    Args:
        plan: of a preparation whose units are all done.
        units: all of them.

    Attributes:
        offsets: number of the first pair of each unit of the source, int64 [units + 1].
        reasons: to drop a pair; "" is none.
        dropped: of each pair, the number of its reason, uint8 [pairs].
        split: of each pair, uint8 [pairs].
        within: by split and kind, pairs that have one like them before them.
        across: by two splits, or a split and a data set, as "train, test": distinct pictures that
            are in both. These two are counted before anything is dropped.
    """

    def __init__(self, plan: Plan, units: Sequence[Unit]) -> None:
        options = plan.options
        self._splits, self._against = plan.out_splits, options.against
        self._kinds, self._limit = options.drop_duplicates, options.caption_limit
        self.reasons = ["", KEY, *map(also_in, options.against), ACROSS, PICTURE, CAPTION]
        self.within: dict[str, Counter[str]] = {name: Counter() for name in self._splits}
        self.across: Counter[str] = Counter()
        self._plan, self._units = plan, units
        expected = sum(unit.pairs for unit in units)
        buckets = min(_MOST_BUCKETS, max(1, expected // BUCKET))
        with tempfile.TemporaryDirectory(prefix="clipbench_tf-") as folder:
            splits = self._deal(Path(folder), buckets)
            self.offsets = np.cumsum([0, *map(len, splits)], dtype=np.int64)
            self.split = np.concatenate([np.empty(0, np.uint8), *splits])
            self.dropped = np.zeros(self.offsets[-1], np.uint8)
            for column, bucket in itertools.product(_COLUMNS, range(buckets)):
                file = Path(folder) / f"{column}-{bucket}"
                if file.exists():
                    self._judge(column, np.fromfile(file, _ROW))

    def _deal(self, folder: Path, buckets: int) -> list[np.ndarray]:
        """Deals the hashes of all units to files by column and bucket; their pairs' splits."""
        splits: list[np.ndarray] = []
        first = 0
        for unit, facts in self._facts():
            source = unit.data == 0
            pairs = len(facts["picture"]) if source else 0
            for column in _COLUMNS if source else ["picture"]:
                rows = np.empty(len(facts[column]), _ROW)
                words = np.ascontiguousarray(facts[column]).view(">u8").reshape(-1, 2)
                rows["high"], rows["low"] = words.T
                rows["pair"] = np.arange(first, first + pairs) if source else -1
                rows["split"] = facts["split"] if source else _OTHER + unit.data
                places = (rows["high"] >> np.uint64(40)) * np.uint64(buckets) >> np.uint64(24)
                for bucket in np.unique(places):
                    with (folder / f"{column}-{bucket}").open("ab") as stream:
                        rows[places == bucket].tofile(stream)
            first += pairs
            splits += [facts["split"]] if source else []
        return splits

    def _facts(self) -> Iterator[tuple[Unit, dict[str, np.ndarray]]]:
        """The hashes of all units in order; read together, as a bucket is slow to answer."""

        def read(unit: Unit) -> bytes:
            return files.read(self._plan.unit_file(unit.number, unit_step.FACTS))

        with ThreadPoolExecutor(8) as pool:
            for start in range(0, len(self._units), _UNITS_TOGETHER):
                some = self._units[start : start + _UNITS_TOGETHER]
                for unit, data in zip(some, pool.map(read, some), strict=True):
                    names = ["picture"] if unit.data else [*_COLUMNS, "split"]
                    yield unit, unit_step.unpacked(data, *names)

    def _judge(self, column: str, rows: np.ndarray) -> None:
        """Counts the duplicates among all rows of some hashes, and drops those to be dropped."""
        rows = rows[np.lexsort((rows["pair"], rows["split"], rows["low"], rows["high"]))]
        change = (np.diff(rows["high"]) != 0) | (np.diff(rows["low"]) != 0)
        hashes = np.cumsum(np.concatenate([[0], change]))
        groups = np.cumsum(np.concatenate([[0], change | (np.diff(rows["split"]) != 0)]))
        own = rows["split"] < _OTHER
        ranks = _ranks(groups)
        for number, name in enumerate(self._splits):
            repeats = np.count_nonzero(ranks[rows["split"] == number])
            self.within[name][column] += int(repeats)
        if column == "picture":
            self._across(rows["split"][ranks == 0], hashes[ranks == 0])
        if column == "key" and "key" in self._kinds:
            self._drop(rows, own & (ranks > 0), KEY)
        elif column == "picture":
            self._drop_pictures(rows, hashes, groups)
        elif column == "captions" and self._limit:
            alive = np.flatnonzero(self._alive(rows))
            self._drop(rows, alive[_ranks(groups[alive]) >= self._limit], CAPTION)

    def _across(self, splits: np.ndarray, hashes: np.ndarray) -> None:
        """Counts hashes of several splits. A split and a hash come together once at most."""
        names = [*enumerate(self._splits)]
        names += [(_OTHER + 1 + data, name) for data, name in enumerate(self._against)]
        held = {number: hashes[splits == number] for number, _ in names}
        for (one, name), (other, its) in itertools.combinations(names, 2):
            if one < _OTHER:
                both = np.intersect1d(held[one], held[other], assume_unique=True)
                self.across[f"{name}, {its}"] += len(both)

    def _drop_pictures(self, rows: np.ndarray, hashes: np.ndarray, groups: np.ndarray) -> None:
        for data, name in enumerate(self._against, start=1):
            theirs = np.zeros(hashes[-1] + 1, bool)
            theirs[hashes[rows["split"] == _OTHER + data]] = True
            self._drop(rows, self._alive(rows) & theirs[hashes], also_in(name))
        if "across" in self._kinds and "train" in self._splits:
            alive, train = self._alive(rows), rows["split"] == self._splits.index("train")
            elsewhere = np.zeros(hashes[-1] + 1, bool)
            elsewhere[hashes[alive & ~train]] = True
            self._drop(rows, alive & train & elsewhere[hashes], ACROSS)
        if "picture" in self._kinds:
            alive = np.flatnonzero(self._alive(rows))
            self._drop(rows, alive[_ranks(groups[alive]) > 0], PICTURE)

    def _alive(self, rows: np.ndarray) -> np.ndarray:
        """Which rows are pairs that no rule has dropped yet."""
        own = rows["split"] < _OTHER
        alive = np.zeros(len(rows), bool)
        alive[own] = self.dropped[rows["pair"][own]] == 0
        return alive

    def _drop(self, rows: np.ndarray, which: np.ndarray, reason: str) -> None:
        self.dropped[rows["pair"][which]] = self.reasons.index(reason)


def _ranks(groups: np.ndarray) -> np.ndarray:
    """How many rows of the same group come before each, where equal groups lie together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    lengths = np.diff(np.append(starts, len(groups)))
    return np.arange(len(groups)) - np.repeat(starts, lengths)
