"""Measuring sides in turns, and the record that comes of it. Knows no library, only seconds."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping

Seconds = dict[str, list[float]]  # side -> one value for each repetition


@dataclasses.dataclass(frozen=True)
class Unit:
    """How seconds become the figure that is shown.

    Attributes:
        name: such as "ms" or "pairs/s".
        work: units of work in one repetition, for a rate; None for a duration in milliseconds.
    """

    name: str
    work: float | None = None

    def figure(self, seconds: float) -> float:
        """`seconds` of one repetition as a rate or as milliseconds."""
        return seconds * 1e3 if self.work is None else self.work / seconds


def interleaved(
    sides: Mapping[str, Callable[[], float]], *, repetitions: int, warm_ups: int = 1
) -> Seconds:
    """Lets each of `sides` run in turn, `warm_ups` times unheard, then `repetitions` times.

    Turns, because a machine's speed drifts within minutes: what slows one repetition down slows
    its neighbours of the other sides as well.

    Args:
        sides: name -> one repetition, which returns its own seconds.

    Raises:
        ValueError: if there is nothing to take a median of.
    """
    if repetitions < 1:
        raise ValueError(f"repetitions is {repetitions}; it must be at least 1.")
    seconds: Seconds = {name: [] for name in sides}
    for turn in range(warm_ups + repetitions):
        for name, run in sides.items():
            one = run()
            if turn >= warm_ups:
                seconds[name].append(one)
    return seconds


def summary(seconds: Seconds, unit: Unit) -> dict:
    """The medians of "ours" and "peer", and how often ours is the better: above 1, it is.

    Sides of other names are listed with their figures; a missing peer is null, and so the ratio.
    """
    figures = {name: unit.figure(statistics.median(each)) for name, each in seconds.items()}
    ours, peer = seconds["ours"], seconds.get("peer")
    ratio = statistics.median(peer) / statistics.median(ours) if peer else None
    result = {
        "unit": unit.name,
        "ours": _rounded(figures.pop("ours")),
        "peer": _rounded(figures.pop("peer", None)),
        "ratio": _rounded(ratio),
        "repetitions": len(ours),
        "range": {
            name: [_rounded(unit.figure(s)) for s in (min(each), max(each))]
            for name, each in seconds.items()
        },
    }
    return result | {name: _rounded(figure) for name, figure in figures.items()}


def _rounded(figure: float | None) -> float | None:
    """Four digits that count."""
    return None if figure is None else float(f"{figure:.4g}")
