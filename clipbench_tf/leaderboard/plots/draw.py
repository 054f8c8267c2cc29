"""All plots of a suite, as files."""

from pathlib import Path

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.plots import style
from clipbench_tf.leaderboard.plots.by_level import by_level
from clipbench_tf.leaderboard.plots.by_row import by_row
from clipbench_tf.leaderboard.plots.cost import cost
from clipbench_tf.leaderboard.plots.curves import curves
from clipbench_tf.leaderboard.plots.parts import Parts
from clipbench_tf.leaderboard.units import Measure, measure


def draw(
    board: Board, folder: Path, *, metric: str = "top1", split: str | None = None
) -> list[Path]:
    """Writes <suite>_accuracy, _cost and _curves into `folder`, each as PNG and SVG.

    The same records give the same bytes. There are no _curves where the records have none. Another
    scale than that of the embedded data set is part of the names.

    Args:
        board: the rows of one suite.
        folder: made if it is not there.
        metric: of the records' results, such as "top1" or "mean_reciprocal_rank".
        split: on which it was measured; the records' first by default.

    Returns:
        The files.

    Raises:
        RecordError: if the records lack the metric or the split.
    """
    wanted, parts = measure(board, metric, split), Parts(board)
    described = _described(board, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    with style.settings():
        accuracy = by_row if parts.axis is None else by_level
        figures = {
            "accuracy": accuracy(board, parts, wanted),
            "cost": cost(board, parts, wanted),
            "curves": curves(board, parts, metric),
        }
        files = []
        for name, drawn in figures.items():
            if drawn is not None:
                files += style.save(drawn, folder, f"{_stem(board)}_{name}", described)
    return files


def _described(board: Board, wanted: Measure) -> str:
    """The mean of each row, for those who cannot see them."""
    rows = [
        f"{', '.join(map(str, row.levels))}: "
        f"{wanted.text(row.estimate(wanted.metric, wanted.split).mean)}"
        for row in board.rows
    ]
    return f"{wanted.axis}, means over seeds. {'; '.join(rows)}."


def _stem(board: Board) -> str:
    name, scale = board.suite.name, board.suite.scale
    return name if scale == "emoji" else f"{name}_{scale}"
