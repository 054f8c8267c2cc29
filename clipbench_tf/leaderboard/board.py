"""One suite's rows: means over seeds, their intervals, and what a row has above another."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import scipy.stats

from clipbench_tf.leaderboard.entry import Entry, Level, RecordError, SuiteFacts, row_label

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean over seeds, and its 95% interval; None where there is one seed alone."""

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of `values`, one for each seed, with Student's t interval.

    The interval says where the mean of ever more seeds would lie. It does not know that the test
    pictures are a sample too: `Entry.run` has the intervals for that.
    """
    mean = statistics.mean(values)
    if len(values) < 2:
        return Estimate(mean, None, None, tuple(values))
    error = statistics.stdev(values) / len(values) ** 0.5
    half = float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return Estimate(mean, mean - half, mean + half, tuple(values))


class Row:
    """One row of a suite, with an entry for each of its seeds."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.seed)
        self.levels, self.place = entries[0].row, entries[0].place

    @property
    def seeds(self) -> list[int]:
        """In rising order."""
        return [entry.seed for entry in self.entries]

    def values(self, metric: str, split: str) -> list[float]:
        """The results of its seeds, in their order."""
        return [entry.value(metric, split) for entry in self.entries]

    def estimate(self, metric: str, split: str) -> Estimate:
        """The mean over its seeds."""
        return over_seeds(self.values(metric, split))


class Board:
    """The rows of one suite at one scale.

    Args:
        entries: its records, one for each row and seed.

    Raises:
        RecordError: if they are not of one suite, a row has a seed twice, or rows differ in their
            seeds or their splits.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        if not entries:
            raise RecordError("There are no records; scripts/run_suite.py makes some.")
        self.suite: SuiteFacts = entries[0].suite
        rows: dict[tuple[Level, ...], list[Entry]] = {}
        for entry in entries:
            if entry.suite != self.suite:
                raise RecordError(
                    f"The record of {entry.label} is of suite {entry.suite.name} at scale "
                    f"{entry.suite.scale} or of another version of it than that of "
                    f"{entries[0].label}; a table is made of one."
                )
            same = rows.setdefault(entry.row, [])
            if entry.seed in [other.seed for other in same]:
                raise RecordError(f"There are two records of {entry.label}; remove one.")
            same.append(entry)
        self.rows = sorted((Row(some) for some in rows.values()), key=lambda row: row.place)
        self.splits = [result["split"] for result in entries[0].run["results"]]
        for row in self.rows:
            self._check(row)

    def _check(self, row: Row) -> None:
        if row.seeds != self.rows[0].seeds:
            raise RecordError(
                f"{row_label(row.levels)} has seeds {row.seeds}, the first row has "
                f"{self.rows[0].seeds}; train what is missing, or leave it out."
            )
        for entry in row.entries:
            if [result["split"] for result in entry.run["results"]] != self.splits:
                raise RecordError(
                    f"The record of {entry.label} has other splits than {self.splits}."
                )

    @property
    def entries(self) -> list[Entry]:
        """Of all rows, in their order."""
        return [entry for row in self.rows for entry in row.entries]

    def base(self, row: Row, factor: str) -> Row | None:
        """The row like `row` but for the baseline level of `factor`; None for that row itself."""
        if factor not in self.suite.baselines:
            return None
        wanted = self.base_levels(row, factor)
        if wanted == row.levels:
            return None
        return next((other for other in self.rows if other.levels == wanted), None)

    def base_levels(self, row: Row, factor: str) -> tuple[Level, ...]:
        """The levels of `row` but for the baseline level of `factor`."""
        place = self.suite.factors.index(factor)
        return (*row.levels[:place], self.suite.baselines[factor], *row.levels[place + 1 :])

    def gain(self, row: Row, factor: str, metric: str, split: str) -> Estimate | None:
        """What `row` has above its `base`, seed by seed; None where it has none."""
        base = self.base(row, factor)
        if base is None:
            return None
        mine, its = row.values(metric, split), base.values(metric, split)
        return over_seeds([a - b for a, b in zip(mine, its, strict=True)])
