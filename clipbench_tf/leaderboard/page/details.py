"""What a row's details show: seeds, curves, differences, configuration, and where it is from."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clipbench_tf.leaderboard import units
from clipbench_tf.leaderboard.board import Board, Row
from clipbench_tf.leaderboard.entry import Entry, row_label
from clipbench_tf.leaderboard.fairness import differences

_SEED_METRICS = ("top1", "top5", "mean_reciprocal_rank")


def details(board: Board, row: Row) -> dict[str, Any]:
    """As JSON values.

    Returns:
        "label"; "seeds", a table with its heading first; "curves", each with a name and points
        [step, value] by seed; "differences" to the row's baselines; "config", gin text; "facts",
        pairs of a name and a text.
    """
    return {
        "label": row_label(row.levels),
        "seeds": _seeds(board, row),
        "curves": _curves(board, row),
        "differences": _differences(board, row),
        "config": row.entries[0].config,
        "config_seed": row.seeds[0],
        "facts": _facts(row),
    }


def _seeds(board: Board, row: Row) -> list[list[str]]:
    """A line for each seed; intervals are those over the test pictures."""
    measures = [
        units.measure(board, metric, split)
        for split in board.splits
        for metric in _SEED_METRICS
        if _result(board.entries[0], split).get(metric) is not None
    ]
    table = [["seed", *(one.heading for one in measures), "steps", "minutes"]]
    for entry in row.entries:
        cells = []
        for one in measures:
            text = one.text(entry.value(one.metric, one.split))
            between = _result(entry, one.split).get(f"{one.metric}_interval")
            cells.append(f"{text} ({' to '.join(map(one.text, between))})" if between else text)
        minutes = f"{entry.run['wall_time_seconds'] / 60:.1f}"
        table.append([str(entry.seed), *cells, str(entry.run["steps"]), minutes])
    return table


def _result(entry: Entry, split: str) -> Mapping[str, Any]:
    return next(result for result in entry.run["results"] if result["split"] == split)


def _curves(board: Board, row: Row) -> list[dict[str, Any]]:
    key = units.accuracy_key(board, "top1")
    made = []
    for name, times in ((key, 100), ("loss", 1)):
        if name is None:
            continue
        seeds = {str(entry.seed): _points(entry, name, times) for entry in row.entries}
        if any(seeds.values()):
            title = "training loss" if name == "loss" else f"{name.split('/')[1]} top-1 (%)"
            made.append({"name": title, "seeds": seeds})
    return made


def _points(entry: Entry, key: str, times: float) -> list[list[float]]:
    points = [(point["step"], point.get(key)) for point in entry.curve]
    return [
        [step, float(f"{times * value:.5g}")]
        for step, value in points
        if value is not None and math.isfinite(value)
    ]


def _differences(board: Board, row: Row) -> list[dict[str, Any]]:
    """What the row's configuration has otherwise than each of its baselines'."""
    made = []
    for factor in board.suite.baselines:
        base = board.base(row, factor)
        if base is not None:
            found = differences(base.entries[0].config, row.entries[0].config)
            changes = [[name, its, mine] for name, (its, mine) in found.items()]
            made.append({"base": row_label(base.levels), "changes": changes})
    return made


def _facts(row: Row) -> list[list[str]]:
    """Where the numbers are from; what differs between seeds is told for each."""
    facts: dict[str, Callable[[Entry], str]] = {
        "machine": units.machine,
        "instructions": lambda entry: _listed(entry.run["hardware"].get("instructions", ())),
        "memory": lambda entry: f"{entry.run['hardware'].get('memory_gb', 'unknown')} GB",
        "commit": lambda entry: str(entry.run["git_commit"] or "unknown"),
        "precision": lambda entry: str(entry.run["precision"]),
        "parameters": lambda entry: f"{entry.run['parameters']:,}",
        "batch size": lambda entry: str(entry.run["batch_size"]),
        "trained on": lambda entry: str(entry.run["dataset"]),
        "evaluated on": lambda entry: str(entry.run["evaluation_dataset"]),
        "scorer": lambda entry: str(entry.run["scorer"]),
    }
    made = [[name, _told(row, fact)] for name, fact in facts.items()]
    for part, name in (("packages", "{}"), ("checksums", "checksum of {}")):
        for key in dict.fromkeys(key for entry in row.entries for key in entry.run.get(part, ())):
            text = _told(row, functools.partial(_part, part, key))
            made.append([name.format(key.replace("_", " ") if part == "checksums" else key), text])
    made.append(["key of the run", _told(row, lambda entry: entry.key)])
    return made


def _part(part: str, key: str, entry: Entry) -> str:
    return str(entry.run.get(part, {}).get(key, "unknown"))


def _listed(texts: Iterable[object]) -> str:
    return ", ".join(map(str, texts)) or "unknown"


def _told(row: Row, fact: Callable[[Entry], str]) -> str:
    texts = [fact(entry) for entry in row.entries]
    if len(set(texts)) == 1:
        return texts[0]
    return "; ".join(f"seed {n}: {text}" for n, text in zip(row.seeds, texts, strict=True))
