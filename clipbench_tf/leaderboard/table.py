"""The table of a suite in Markdown and CSV, in the layout of the paper's."""

import csv
import io

from clipbench_tf.leaderboard import units
from clipbench_tf.leaderboard.board import Board, Estimate, Row
from clipbench_tf.leaderboard.paper import published

_METRICS = {"top1": "top-1", "mean_reciprocal_rank": "MRR", "top5": "top-5"}


def markdown(board: Board) -> str:
    """The table: means over seeds in percent, and what a row has above its baselines.

    Behind the mean stands half of its 95% interval. A gain is seed by seed, and bold where its
    interval does not contain 0.
    """
    split, shown = board.splits[0], ["top1", "mean_reciprocal_rank"]
    paper = any(published(board.suite.name, row.levels) for row in board.rows)
    head = [*board.suite.factors]
    for metric in shown:
        head.append(f"{split} {_METRICS[metric]}")
        if metric == "top1":
            head += [f"above {level}" for level in board.suite.baselines.values()]
    head += ["the paper's", *(f"above {v}" for v in board.suite.baselines.values())] * paper
    lines = [head, ["---"] * len(head)]
    for row in board.rows:
        cells = [str(level) for level in row.levels]
        for metric in shown:
            cells.append(percent(row.estimate(metric, split)))
            if metric == "top1":
                cells += [_gain(board, row, factor, split) for factor in board.suite.baselines]
        lines.append(cells + _published(board, row) * paper)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(board: Board) -> str:
    """Title, caption and table."""
    return f"## {board.suite.title}\n\n{caption(board)}\n\n{markdown(board)}"


def caption(board: Board) -> str:
    """What the numbers are: suite, scale, seeds, pictures, chance, machine and commit."""
    first = board.rows[0]
    result = first.entries[0].run["results"][0]
    seeds = first.seeds
    named = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]} alone"
    machines = sorted({units.machine(entry) for entry in board.entries})
    commits = sorted({str(entry.run["git_commit"])[:7] for entry in board.entries})
    return (
        f"Suite {board.suite.name} at scale {board.suite.scale}, {named}. {result['split']}: "
        f"{result['scored']:,} pictures among {result['classes']:,} classes, chance "
        f"{100 * result['top1_chance']:.2f}. Measured on {' and '.join(machines)}, at commit "
        f"{' and '.join(commits)}."
    )


def comma_separated(board: Board) -> str:
    """The table as CSV, a line a row: fractions in 0..1 with the bounds of their intervals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_head(board))
    for row in board.rows:
        writer.writerow(_line(board, row))
    return out.getvalue()


def _head(board: Board) -> list[str]:
    head = ["suite", "scale", *board.suite.factors, "seeds"]
    for split in board.splits:
        for metric in _METRICS:
            names = [f"{split} {metric}"]
            names += [f"{split} {metric} above {v}" for v in board.suite.baselines.values()]
            head += [f"{name}{part}" for name in names for part in ("", " low", " high")]
    return [*head, "paper", "steps", "seconds", "flops", "machine", "commit"]


def _line(board: Board, row: Row) -> list[object]:
    seeds = " ".join(map(str, row.seeds))
    cells: list[object] = [board.suite.name, board.suite.scale, *row.levels, seeds]
    for split in board.splits:
        for metric in _METRICS:
            found: list[Estimate | None] = [row.estimate(metric, split)]
            found += [board.gain(row, f, metric, split) for f in board.suite.baselines]
            cells += [cell for estimate in found for cell in _bounds(estimate)]
    paper, first = published(board.suite.name, row.levels), row.entries[0]
    seconds = sum(entry.run["wall_time_seconds"] for entry in row.entries) / len(row.entries)
    return [
        *cells,
        "" if paper is None else round(paper / 100, 4),
        first.run["steps"],
        round(seconds, 1),
        f"{first.flops:.4g}",
        units.machine(first),
        first.run["git_commit"],
    ]


def _bounds(estimate: Estimate | None) -> list[object]:
    if estimate is None:
        return ["", "", ""]
    return ["" if v is None else round(v, 5) for v in estimate[:3]]


def percent(estimate: Estimate, sign: str = "") -> str:
    """A mean in percent, and half of its interval."""
    mean = f"{100 * estimate.mean:{sign}.1f}"
    if estimate.high is None:
        return mean
    return f"{mean} ± {100 * (estimate.high - estimate.mean):.1f}"


def _gain(board: Board, row: Row, factor: str, split: str) -> str:
    gain = board.gain(row, factor, "top1", split)
    if gain is None:
        return ""
    text = percent(gain, sign="+")
    sure = gain.low is not None and gain.high is not None and not gain.low <= 0 <= gain.high
    return f"**{text}**" if sure else text


def _published(board: Board, row: Row) -> list[str]:
    own = published(board.suite.name, row.levels)
    cells = ["" if own is None else f"{own:.1f}"]
    for factor in board.suite.baselines:
        levels = board.base_levels(row, factor)
        base = published(board.suite.name, levels)
        apart = own is not None and base is not None and levels != row.levels
        cells.append(f"{own - base:+.1f}" if apart and own and base else "")
    return cells
