"""Results, compute, time and machines as people read them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.entry import Entry, RecordError

_COMPUTE = (("ZFLOP", 1e21), ("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9))
_TIME = (("hours", 3600.0), ("minutes", 60.0))
_HOURS_FROM = 300 * 60.0  # seconds, from which on hours are told


class Unit(NamedTuple):
    """A unit, and how much of what records have makes one."""

    name: str
    size: float


class Measure(NamedTuple):
    """A result of a split, as people read it.

    Attributes:
        metric: as in records, such as "top1".
        split: on which it is measured.
        name: for people.
        times: what a record's number, in 0..1, is multiplied by.
        unit: "%" or nothing.
        digits: behind the point.
    """

    metric: str
    split: str
    name: str
    times: float
    unit: str
    digits: int

    @property
    def axis(self) -> str:
        """The label of an axis."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def heading(self) -> str:
        """The heading of a column: the split, and the measure in short."""
        short = self.name.replace(" accuracy", "").replace("mean reciprocal rank", "MRR")
        return f"{self.split} {short}{self.unit and f' ({self.unit})'}"

    def text(self, value: float) -> str:
        """A record's number, without the unit."""
        return f"{self.times * value:.{self.digits}f}"

    def chance(self, board: Board) -> float | None:
        """What guessing would give, in 0..1; None where the records do not say."""
        for result in board.entries[0].run["results"]:
            if result["split"] == self.split:
                return result.get(f"{self.metric}_chance")
        return None


def measure(board: Board, metric: str = "top1", split: str | None = None) -> Measure:
    """What `metric` is called on `split`, by default the first.

    Raises:
        RecordError: if the records have no such split.
    """
    split = board.splits[0] if split is None else split
    if split not in board.splits:
        raise RecordError(f"There is no split {split!r}; the records have {board.splits}.")
    if top := re.fullmatch(r"top(\d+)", metric):
        return Measure(metric, split, f"top-{top[1]} accuracy", 100, "%", 1)
    name = metric.replace("_", " ").replace("per class", "per-class")
    if "recall" in metric:
        return Measure(metric, split, name, 100, "%", 1)
    return Measure(metric, split, name, 1, "", 3)


def accuracy_key(board: Board, metric: str) -> str | None:
    """The accuracy in the curves that is nearest to `metric`: itself, or else top-1."""
    keys = dict.fromkeys(
        key
        for entry in board.entries
        for point in entry.curve
        for key in point
        if key.startswith("zero_shot/")
    )
    for wanted in (metric, "top1"):
        for key in keys:
            if key.rpartition("/")[2] == wanted:
                return key
    return None


def compute(flops: Sequence[float]) -> Unit:
    """The unit in which the largest of some counts of operations is at least 1."""
    largest = max(flops)
    return next((Unit(*unit) for unit in _COMPUTE if largest >= unit[1]), Unit(*_COMPUTE[-1]))


def time(seconds: Sequence[float]) -> Unit:
    """Minutes, or hours where the longest of some times has many."""
    return Unit(*_TIME[max(seconds) < _HOURS_FROM])


def short(value: float) -> str:
    """A number with three digits that count, and no exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def operations(count: float) -> str:
    """A number of floating-point operations with its unit."""
    unit = compute([count])
    return f"{short(count / unit.size)} {unit.name}"


def machine(entry: Entry) -> str:
    """On what a run was trained: cores, processor, its vector instructions, accelerators."""
    found = entry.run["hardware"]
    cores = f"{found['cores']} core{'s' * (found['cores'] != 1)}"
    instructions = ", ".join(found.get("instructions", ()))
    cpu = f"{cores} of {found['cpu']}" + (f" ({instructions})" if instructions else "")
    accelerators = found["accelerators"]
    return f"{len(accelerators)} {accelerators[0]} and {cpu}" if accelerators else cpu
