"""The Markdown table of single training runs, from their records."""

import json
from collections.abc import Iterable
from pathlib import Path

from clipbench_tf.leaderboard.entry import RecordError


def read(path: Path) -> dict:
    """The record in `path`, the `record.json` of a training run.

    Raises:
        RecordError: if the file cannot be read, or lacks a field of the table.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        row(record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"{path} is no record of a training run ({error!r}); give the record.json of one."
        ) from error
    return record


def markdown(records: Iterable[dict]) -> str:
    """One row for each of `records`, highest top-1 on the first split first.

    Raises:
        RecordError: if the records are not of the same splits.
    """
    ordered = sorted(records, key=lambda record: -record["results"][0]["top1"])
    splits = [result["split"] for result in ordered[0]["results"]]
    for record in ordered:
        if [result["split"] for result in record["results"]] != splits:
            raise RecordError(
                f"The record of {record['method']} has other splits than {splits}; make a table "
                f"of records with the same splits."
            )
    columns = [f"{split} top-{k}" for split in splits for k in (1, 5)]
    head = ["method", *columns, "steps"]
    lines = [head, ["---"] * len(head), *(row(record) for record in ordered)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def row(record: dict) -> list[str]:
    """The cells of one record: method, accuracies with 95% intervals in percent, steps."""
    cells = [record["method"]]
    for result in record["results"]:
        for k in (1, 5):
            low, high = (100 * bound for bound in result[f"top{k}_interval"])
            cells.append(f"{100 * result[f'top{k}']:.1f} ({low:.1f} to {high:.1f})")
    return [*cells, str(record["steps"])]
