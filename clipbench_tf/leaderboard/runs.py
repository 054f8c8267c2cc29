"""Makes the Markdown tables of results from records of training runs."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path

RECORDS = Path(__file__).parent  # one folder of records for each data set


class RecordError(ValueError):
    """A file is no record of a training run, or records differ; the message has the remedy."""


def committed(name: str) -> list[Path]:
    """The files of the committed records of the data set `name`."""
    return sorted((RECORDS / name).glob("*.json"))


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


def versions(records: Iterable[dict]) -> str:
    """Methods by the data they were trained on, in the form of the paper's Table 3.

    A cell is the mean top-1 of the first split in percent over seeds, with the lowest and highest;
    the last column is how much the last data set is above the first, seed by seed.

    Raises:
        RecordError: if a method lacks a seed that another cell has, or has it twice.
    """
    found: dict[tuple[str, str], dict[int, float]] = {}
    for record in records:
        cell = found.setdefault((record["method"], record["dataset"]), {})
        if record["seed"] in cell:
            raise RecordError(
                f"There are two records of {record['method']} on {record['dataset']} with seed "
                f"{record['seed']}; give one of each."
            )
        cell[record["seed"]] = 100 * record["results"][0]["top1"]
    methods, datasets = (sorted({key[part] for key in found}) for part in (0, 1))
    seeds = next(iter(found.values())).keys()
    for key in ((method, dataset) for method in methods for dataset in datasets):
        if found.get(key, {}).keys() != seeds:
            raise RecordError(f"{' on '.join(key)} has not the seeds {sorted(seeds)} of the rest.")
    head = ["method", *datasets, f"{datasets[-1]} above {datasets[0]}"]
    lines = [head, ["---"] * len(head)]
    for method in methods:
        first, last = found[method, datasets[0]], found[method, datasets[-1]]
        gains = [last[seed] - first[seed] for seed in seeds]
        cells = [_spread(list(found[method, dataset].values())) for dataset in datasets]
        lines.append([method, *cells, _spread(gains, sign="+")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(values: list[float], sign: str = "") -> str:
    """Mean, and in brackets the lowest and highest of `values`."""
    mean, low, high = statistics.mean(values), min(values), max(values)
    return f"{mean:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"
