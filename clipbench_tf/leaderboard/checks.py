"""What makes records unfit for a leaderboard: gaps in where they are from, or mixed ones."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from clipbench_tf.leaderboard import fairness
from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.entry import Entry, RecordError

# The evaluations that a leaderboard knows: zero-shot classification with these scorers.
SCORERS = ("cosine", "late_interaction")
METRICS = ("top1", "top5", "mean_reciprocal_rank")
_FIELDS = {
    "method": str,
    "dataset": str,
    "evaluation_dataset": str,
    "scorer": str,
    "steps": int,
    "batch_size": int,
    "seed": int,
    "precision": str,
    "parameters": int,
    "wall_time_seconds": float | int,
    "checksums": dict,
    "hardware": dict,
    "packages": dict,
    "git_commit": str,
}
_CHECKSUMS = ("training_data", "evaluation_data", "class_names", "prompts")


def complaints(entries: Sequence[Entry]) -> list[str]:
    """Why the records of one suite make no leaderboard, a sentence each; none if they do."""
    found = [line for entry in entries for line in _of_entry(entry)]
    if found:
        return found
    try:
        board = Board(entries)
    except RecordError as error:
        return [str(error)]
    found += _mixed(board)
    configs = {row.levels: row.entries[0].config for row in board.rows}
    return found + [
        f"{line}." for line in fairness.unnamed(configs, board.suite.factors, board.suite.touches)
    ]


def _of_entry(entry: Entry) -> Iterator[str]:
    run, label = entry.run, f"{entry.suite.name}, {entry.label}"
    for name, kind in _FIELDS.items():
        if not isinstance(run.get(name), kind) or run[name] == "":
            yield f"{label}: there is no {name}."
            return
    if not re.fullmatch("[0-9a-f]{40}", run["git_commit"]):
        yield (
            f"{label}: {run['git_commit']!r} is no commit that others can check out; train from a "
            f"clean checkout."
        )
    for name in _CHECKSUMS:
        if not re.fullmatch("[0-9a-f]{64}", str(run["checksums"].get(name))):
            yield f"{label}: there is no checksum of the {name.replace('_', ' ')}."
    if run["seed"] != entry.seed:
        yield f"{label}: the run has seed {run['seed']}."
    if not entry.config.strip():
        yield f"{label}: there is no configuration."
    for name in ("cpu", "cores"):
        if not run["hardware"].get(name):
            yield f"{label}: the hardware has no {name}."
    yield from _of_evaluation(label, run)


def _of_evaluation(label: str, run: Any) -> Iterator[str]:
    if run["scorer"] not in SCORERS:
        yield (
            f"{label}: the evaluation with scorer {run['scorer']!r} is unknown; known are "
            f"{', '.join(SCORERS)}."
        )
    if not run.get("results"):
        yield f"{label}: there is no evaluation."
    for result in run.get("results", ()):
        for metric in METRICS:
            value = result.get(metric)
            if not isinstance(value, float | int) or not 0 <= value <= 1:
                yield f"{label}: the evaluation on {result.get('split')} has no {metric} in 0 to 1."


def _mixed(board: Board) -> Iterator[str]:
    """What must be the same in all records of a suite, and is not."""
    data: dict[str, Entry] = {}
    for entry in board.entries:
        name = entry.run["dataset"]
        other = data.setdefault(name, entry)
        mine, its = (e.run["checksums"]["training_data"] for e in (entry, other))
        if mine != its:
            yield f"{entry.label} and {other.label} trained on different data called {name}."
    first = board.entries[0]
    for entry in board.entries[1:]:
        for name in ("evaluation_data", "class_names", "prompts"):
            if entry.run["checksums"][name] != first.run["checksums"][name]:
                yield (
                    f"{entry.label} and {first.label} were evaluated with different "
                    f"{name.replace('_', ' ')}."
                )
        for name in ("git_commit", "batch_size", "precision", "hardware", "packages"):
            if entry.run[name] != first.run[name]:
                yield (
                    f"{entry.label} and {first.label} differ in {name.replace('_', ' ')}: "
                    f"{entry.run[name]} and {first.run[name]}."
                )
