"""What a suite says before it starts, and what it leaves when it ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clipbench_tf.leaderboard import checks, table, units
from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.entry import Entry, Level, RecordError, read, row_label
from clipbench_tf.leaderboard.fairness import differences as differing
from clipbench_tf.leaderboard.fairness import parameters
from clipbench_tf.leaderboard.page.page import write as write_page
from clipbench_tf.leaderboard.plots.draw import draw
from clipbench_tf.suites.jobs import Job
from clipbench_tf.suites.runner import Failure
from clipbench_tf.suites.suite import Suite

Configs = Mapping[tuple[Level, ...], str]


def differences(suite: Suite, configs: Configs) -> str:
    """What the levels of each factor bind differently, against the first row that has another."""
    rows = list(configs)
    every = [parameters(text) for text in configs.values()]
    same = sum(
        all(name in one and one[name] == value for one in every) for name, value in every[0].items()
    )
    lines = [f"{suite.title}: {len(rows)} rows. {same} bindings are the same in all of them."]
    for place, factor in enumerate(suite.factors):
        base = suite.baselines.get(factor, rows[0][place])
        for level in dict.fromkeys(row[place] for row in rows):
            pair = _pair(rows, place, base, level)
            if level == base or pair is None:
                continue
            lines.append(f"  {factor} {level} in place of {base}:")
            for name, (before, now) in differing(configs[pair[0]], configs[pair[1]]).items():
                lines.append(f"    {name}: {_short(before)} -> {_short(now)}")
    return "\n".join([*lines, "Nothing else differs."])


def _pair(
    rows: Sequence[tuple[Level, ...]], place: int, base: Level, level: Level
) -> tuple[tuple[Level, ...], tuple[Level, ...]] | None:
    """Two rows that differ in the level at `place` alone."""
    for row in rows:
        other = (*row[:place], base, *row[place + 1 :])
        if row[place] == level and other in rows:
            return other, row
    return None


def _short(value: str | None) -> str:
    if value is None:
        return "unbound"
    return value if len(value) <= 100 else f"{value[:97]}..."


def plan(jobs: Sequence[Job], known: Mapping[str, Entry]) -> str:
    """How many runs there are, and how many of them have results."""
    have = sum(job.key in known for job in jobs)
    total = sum(job.flops for job in jobs if job.key not in known)
    others = f"; the others take {units.operations(total)}" if have < len(jobs) else ""
    return f"{len(jobs)} runs, {have} of which have a result{others}."


def finished(jobs: Sequence[Job], failures: Sequence[Failure], output: Path) -> str:
    """Writes table, plots and page of the rows that have all their seeds; returns what to print."""
    lines = []
    name = jobs[0].record.parent.name
    whole = _whole(jobs)
    if whole:
        try:
            lines += _write(Board(whole), output, name)
            lines += [f"Not fit for a leaderboard: {line}" for line in checks.complaints(whole)]
        except RecordError as error:
            lines.append(f"No table: {error}")
    for failure in failures:
        lines.append(f"Failed: {failure.job.label}: {failure.reason}")
    if failures:
        lines.append("The same command tries again what failed.")
    return "\n".join(lines)


def _whole(jobs: Sequence[Job]) -> list[Entry]:
    """The records of the rows that have one for each seed."""
    lacking = {job.row for job in jobs if not job.record.exists()}
    return [read(job.record) for job in jobs if job.row not in lacking]


def _write(board: Board, output: Path, name: str) -> list[str]:
    section = table.section(board)
    (output / f"{name}.md").write_text(f"{section}\n", encoding="utf-8")
    (output / f"{name}.csv").write_text(table.comma_separated(board), encoding="utf-8")
    draw(board, output / "plots")
    write_page([board], output / f"{name}.html")
    best = max(board.rows, key=lambda row: row.estimate("top1", board.splits[0]).mean)
    return [
        f"\n{section}\n",
        f"Highest: {row_label(best.levels)}. The table, the plots and a page "
        f"lie in {output}: {name}.md, {name}.csv, plots/{name}*, {name}.html.",
    ]
