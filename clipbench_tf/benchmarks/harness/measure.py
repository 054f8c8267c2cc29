"""Measures sides in turns, and summarises their seconds in a record."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping

Seconds = dict[str, list[float]]  # side -> one value for each repetition


@dataclasses.dataclass(frozen=True)
class Unit:
    """Converts seconds to the figure in the record.

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
    """Runs all `sides` in turn, `warm_ups` times without measuring, then `repetitions` times.

    In turn, because a machine's speed drifts within minutes: a slow period then affects
    neighbouring repetitions of all sides.

    Args:
        sides: name -> function that runs one repetition and returns its seconds.
        repetitions: rounds that are measured.
        warm_ups: rounds before these.

    Raises:
        ValueError: if `repetitions` is below 1.
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
    """Figures of the medians of "ours" and "peer", and the ratio, above 1 where ours is faster.

    Other sides are listed with their figures. Without a peer, its figure and the ratio are null.
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
    """`figure` to four significant digits."""
    return None if figure is None else float(f"{figure:.4g}")
