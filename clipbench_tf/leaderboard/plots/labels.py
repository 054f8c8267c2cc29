"""Names beside points, none over another."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from clipbench_tf.leaderboard.plots.style import FAINT, SMALL

_AWAY = (7, 11, 16, 24, 34, 48, 66)  # points between a point and its name
_TURNS = 16  # directions in which names are tried
_GRID = (24, 40)  # places all over the axes that are tried as well, across and down
_LINE_FROM = 12  # points, from which on a line leads to the name
_MARKER = 5.0  # points around the middle of a marker that no name should cover
_PASSES = 3


def label(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    bars: Sequence[tuple[float, float]] = (),
) -> None:
    """Writes each of `names` near its point, where it covers no other name and no marker.

    The layout of the figure must be final: places are sought by what is where.

    Args:
        axes: with their final limits.
        points: in the units of the data.
        names: one for each.
        bars: lower and upper end of the interval of each, or nothing; names avoid them.
    """
    dots = axes.figure.dpi / 72
    marks = np.asarray(axes.transData.transform(points)) / dots
    frame = axes.get_window_extent()
    inside = np.array([frame.x0, frame.y0, frame.x1, frame.y1]) / dots
    sizes = [_size(axes, name) / dots for name in names]
    ends = [[(x, low), (x, high)] for (x, _), (low, high) in zip(points, bars, strict=False)]
    lines = (
        np.asarray(axes.transData.transform(np.reshape(ends, [-1, 2])))
        if ends
        else np.empty([0, 2])
    )
    boxes = _places(marks, sizes, inside, lines.reshape(-1, 4) / dots)
    for mark, box, point, name in zip(marks, boxes, points, names, strict=True):
        nearest = np.clip(mark, box[:2], box[2:])
        far = math.dist(nearest, mark) > _LINE_FROM
        begin = (nearest - box[:2]) / (box[2:] - box[:2])
        line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 4}
        axes.annotate(
            name,
            xy=point,
            xytext=tuple(box[:2] - mark),
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontsize=SMALL,
            arrowprops={**line, "relpos": tuple(begin)} if far else None,
        )


def _size(axes: Axes, name: str) -> np.ndarray:
    """Width and height of a name, in dots."""
    text = axes.annotate(name, xy=(0, 0), xycoords="figure pixels", fontsize=SMALL, ha="left")
    extent = text.get_window_extent()
    text.remove()
    return np.array([extent.width, extent.height])


def _places(
    marks: np.ndarray, sizes: Sequence[np.ndarray], inside: np.ndarray, bars: np.ndarray
) -> np.ndarray:
    """A box [left, low, right, high] for each mark, each the best beside the others."""
    tried = [_candidates(mark, size, inside) for mark, size in zip(marks, sizes, strict=True)]
    fixed = [
        _cost_of_marks(some, n, marks) + 12 * _overlap(some, bars) for n, some in enumerate(tried)
    ]
    boxes = np.full([len(marks), 4], np.inf)
    for _ in range(_PASSES):
        for n, some in enumerate(tried):
            others = np.delete(boxes, n, axis=0)
            covered = _overlap(some, others[np.isfinite(others[:, 0])])
            ways = _way(marks[n], some)
            crossed = sum(
                _within(ways, other).any(axis=1) for other in others if np.isfinite(other[0])
            )
            boxes[n] = some[np.argmin(fixed[n] + 1000 * covered + 30 * crossed)]
    return boxes


def _candidates(mark: np.ndarray, size: np.ndarray, inside: np.ndarray) -> np.ndarray:
    turns = 2 * np.pi * np.arange(_TURNS) / _TURNS
    ways = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    # A name's middle is so far off that its nearest edge has the distance asked for.
    reach = np.minimum(size / 2 / np.maximum(np.abs(ways), 1e-9), 1e6).min(axis=1)
    around = [mark + ways * (away + reach)[:, None] for away in _AWAY]
    across = np.linspace(inside[0] + size[0] / 2, inside[2] - size[0] / 2, _GRID[0])
    down = np.linspace(inside[1] + size[1] / 2, inside[3] - size[1] / 2, _GRID[1])
    everywhere = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    middles = np.concatenate([*around, everywhere])
    boxes = np.concatenate([middles - size / 2, middles + size / 2], axis=1)
    fits = (boxes[:, :2] >= inside[:2]).all(axis=1) & (boxes[:, 2:] <= inside[2:]).all(axis=1)
    return boxes[fits] if fits.any() else boxes


def _cost_of_marks(boxes: np.ndarray, own: int, marks: np.ndarray) -> np.ndarray:
    """How far off a box is, and how many markers it or its line covers."""
    nearest = np.clip(marks[own], boxes[:, :2], boxes[:, 2:])
    cost = np.linalg.norm(nearest - marks[own], axis=1)
    around = np.concatenate([marks - _MARKER, marks + _MARKER], axis=1)
    cost = cost + 300 * (_overlaps(boxes, around).sum(axis=1))
    others = np.delete(around, own, axis=0)
    return cost + 60 * sum(_within(_way(marks[own], boxes), other).any(axis=1) for other in others)


def _way(mark: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Points [boxes, 12, 2] of the line from each box to its mark."""
    nearest = np.clip(mark, boxes[:, :2], boxes[:, 2:])
    share = np.linspace(0.05, 0.95, 12)[:, None]
    return nearest[:, None] * share + mark * (1 - share)


def _within(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    inside = np.logical_and(points >= box[:2], points <= box[2:])
    return np.asarray(inside.all(axis=-1))


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of some boxes and each of others share a place: [boxes, others]."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray((high >= low).all(axis=-1))


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many of others each of some boxes covers."""
    return _overlaps(boxes, others).sum(axis=1)
