"""The columns of a suite's table on the page."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from clipbench_tf.leaderboard import units
from clipbench_tf.leaderboard.board import Board, Estimate, Row
from clipbench_tf.leaderboard.entry import Level
from clipbench_tf.leaderboard.paper import published
from clipbench_tf.leaderboard.units import Measure

NOTHING = "\N{EN DASH}"
PAPER = "the paper's zero-shot top-1 on ImageNet, trained on YFCC15M with 32 GPUs"
_COMMIT = 7  # digits of a commit that are shown


class Bar(NamedTuple):
    """A mean and its interval as shares of the column's longest, in 0..1."""

    mean: float
    low: float | None
    high: float | None


class Cell(NamedTuple):
    """One cell.

    Attributes:
        text: what is shown.
        value: by which it is sorted; None comes last.
        bar: drawn below the text.
        clear: whether an interval has 0 outside.
    """

    text: str
    value: str | float | None
    bar: Bar | None = None
    clear: bool = False


class Column(NamedTuple):
    """A heading, what it means, and a cell for each row."""

    name: str
    about: str
    cells: list[Cell]

    @property
    def numeric(self) -> bool:
        """Whether it is sorted by numbers."""
        return not any(isinstance(cell.value, str) for cell in self.cells)


def columns(board: Board) -> list[Column]:
    """Of all of a suite's rows: factors first, then results, then what they cost and where."""
    return [*_factors(board), *_results(board), *_gains(board), *_paper(board), *_costs(board)]


def _factors(board: Board) -> list[Column]:
    return [
        Column(name, f"level of the factor {name}", [_level(row.levels[n]) for row in board.rows])
        for n, name in enumerate(board.suite.factors)
    ]


def _level(level: Level) -> Cell:
    return Cell(str(level), level)


def _results(board: Board) -> list[Column]:
    wanted = [units.measure(board, "top1", split) for split in board.splits]
    if any("mean_reciprocal_rank" in result for result in board.entries[0].run["results"]):
        wanted.insert(1, units.measure(board, "mean_reciprocal_rank"))
    made = []
    for number, measure in enumerate(wanted):
        found = [row.estimate(measure.metric, measure.split) for row in board.rows]
        longest = max(min(e.mean if e.high is None else e.high, 1.0) for e in found) or 1.0
        cells = [
            Cell(
                _estimate(e, measure),
                measure.times * e.mean,
                None if number else _bar(e, longest),
            )
            for e in found
        ]
        chance = measure.chance(board)
        told = "" if chance is None else f"; chance is {measure.times * chance:.2g}{measure.unit}"
        about = f"{measure.name} on split {measure.split}, mean over seeds, 95% interval{told}"
        made.append(Column(measure.heading, about, cells))
    return made


def _bar(found: Estimate, longest: float) -> Bar:
    if found.low is None or found.high is None:
        return Bar(found.mean / longest, None, None)
    return Bar(found.mean / longest, max(found.low / longest, 0), min(found.high / longest, 1))


def _estimate(found: Estimate, measure: Measure) -> str:
    if found.low is None or found.high is None:
        return measure.text(found.mean)
    return f"{measure.text(found.mean)} ({measure.text(found.low)} to {measure.text(found.high)})"


def _gains(board: Board) -> list[Column]:
    split = board.splits[0]
    made = []
    for factor, level in board.suite.baselines.items():
        found = [board.gain(row, factor, "top1", split) for row in board.rows]
        if any(found):
            base = level if isinstance(level, str) else f"{factor} {level}"
            about = f"points of {split} top-1 above the row with {base}, paired by seed"
            made.append(Column(f"over {base} (points)", about, [_gain(one) for one in found]))
    return made


def _gain(found: Estimate | None) -> Cell:
    if found is None:
        return Cell(NOTHING, None)
    text, clear = f"{100 * found.mean:+.1f}", False
    if found.low is not None and found.high is not None:
        text += f" ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
        clear = found.low > 0 or found.high < 0
    return Cell(text.replace("-", "\N{MINUS SIGN}"), 100 * found.mean, clear=clear)


def _paper(board: Board) -> list[Column]:
    found = [published(board.suite.name, row.levels) for row in board.rows]
    if not any(found):
        return []
    cells = [Cell(NOTHING if number is None else f"{number:.1f}", number) for number in found]
    return [Column("paper (%)", PAPER, cells)]


def _costs(board: Board) -> list[Column]:
    flops = [statistics.mean(entry.flops for entry in row.entries) for row in board.rows]
    unit = units.compute(flops)
    minutes = [_mean(row, "wall_time_seconds") / 60 for row in board.rows]
    steps = [_mean(row, "steps") for row in board.rows]
    machines = [_distinct([units.machine(entry) for entry in row.entries]) for row in board.rows]
    commits = [
        _distinct([commit(entry.run["git_commit"]) for entry in row.entries]) for row in board.rows
    ]
    return [
        Column("seeds", "trained", [Cell(str(len(r.seeds)), len(r.seeds)) for r in board.rows]),
        Column("steps", "of the optimizer", [Cell(f"{n:.0f}", n) for n in steps]),
        Column("minutes", "of training, mean over seeds", [Cell(f"{n:.1f}", n) for n in minutes]),
        Column(
            unit.name,
            "operations of the training, as planned",
            [Cell(units.short(n / unit.size), n) for n in flops],
        ),
        Column("machine", "on which it was trained", [Cell(text, text) for text in machines]),
        Column("commit", "of the code", [Cell(text, text) for text in commits]),
    ]


def commit(name: str | None) -> str:
    """A commit in short; what was changed beside it is still told."""
    if not name:
        return "unknown"
    number, _, changed = name.partition("-")
    return number[:_COMMIT] + (changed and f"-{changed}")


def _mean(row: Row, name: str) -> float:
    return statistics.mean(entry.run[name] for entry in row.entries)


def _distinct(texts: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(texts))
