"""What a prepared data set says of itself: dataset.json to read it, manifest.json to trust it."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from clipbench_tf import record
from clipbench_tf.data.preparation import pair_step, shards, statistics_step, unit_step, units
from clipbench_tf.data.preparation.duplicates import Duplicates
from clipbench_tf.data.preparation.engine import output_files
from clipbench_tf.data.preparation.shards import Shard
from clipbench_tf.data.preparation.unit_step import SAMPLES, Tally
from clipbench_tf.data.preparation.units import Plan, Unit
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.labelled.described import DESCRIPTION, open_described
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tfrecords import HEAD, TAIL

MANIFEST = "manifest.json"
MAKER = "clipbench_tf: scripts/prepare_data.py"
PACKAGES = ("apache-beam", "cykooz-resizer", "ftfy", "pillow", "protobuf", "tensorflow")
_WITH_PICTURE = "with its picture, or as a duplicate"
_MOST_PARTS = 100  # more are not reported one by one


def read(output: str) -> dict[str, Any] | None:
    """The manifest of a data set that is finished; None if there is none by this program."""
    found = output_files.read_json(f"{output}/{MANIFEST}")
    return found if isinstance(found, dict) and found.get("made_by") == MAKER else None


class Accounts(NamedTuple):
    """What became of the pairs of the source, by split, and by "split/part"."""

    splits: dict[str, Tally]
    parts: dict[str, Tally]


def accounts(plan: Plan, todo: Sequence[Unit], found: Duplicates) -> Accounts:
    """Counts what became of the pairs of the source; parts only of splits that have few of them.

    Raises:
        AssertionError: if pairs in are not pairs out and pairs dropped, which is a mistake here.
    """
    result = Accounts({name: Tally() for name in units.readers(plan.options, 0)}, {})
    for unit in todo:
        if unit.data:
            continue
        counted = unit_step.tally(plan, unit.number)
        reasons = found.dropped[slice(*found.offsets[unit.number : unit.number + 2])]
        assert counted.pairs == unit.pairs == len(reasons) + counted.dropped.total(), unit
        for number in np.unique(reasons[reasons > 0]).tolist():
            reason = found.reasons[number]
            rows = np.flatnonzero(reasons == number)
            counted.dropped[reason] = len(rows)
            wanted = SAMPLES - len(result.splits[unit.split].samples.get(reason, ()))
            counted.samples[reason] = list(_keys(plan, unit.number, rows[: max(0, wanted)]))
        result.splits[unit.split].add(counted)
        parts = units.readers(plan.options, 0)[unit.split].names
        if 1 < len(parts) <= _MOST_PARTS:
            result.parts.setdefault(f"{unit.split}/{parts[unit.part]}", Tally()).add(counted)
    return result


def finish(
    plan: Plan, found: Duplicates, counted: Accounts, written: Sequence[Shard]
) -> dict[str, Any]:
    """Writes dataset.json and, when all has been checked and as the last file, manifest.json."""
    known = {shard.name: shards.facts(plan, shard) for shard in written}
    splits = {
        name: [shard.name for shard in written if shard.split == number]
        for number, name in enumerate(plan.out_splits)
    }
    output = {}
    for split, names in splits.items():
        sums = {part: sum(known[name][part] for name in names) for part in _SUMS}
        numbers = statistics_step.summary(plan, split) if names else None
        output[split] = {**sums, **({"statistics": numbers} if numbers else {})}
    stay = sum(tally.pairs - tally.dropped.total() for tally in counted.splits.values())
    assert stay == sum(split["pairs"] for split in output.values()), (stay, output)
    _describe(
        plan, {split: [(name, known[name]["pairs"]) for name in splits[split]] for split in splits}
    )
    captions = {split: numbers["captions"] for split, numbers in output.items()}
    content = {
        "made_by": MAKER,
        "options": plan.options.as_json(),
        "input": {name: _account(tally) for name, tally in counted.splits.items()},
        "parts": {name: _account(tally) for name, tally in counted.parts.items()},
        "captions": _captions(counted.splits, sum(captions.values())),
        "output": output,
        "duplicates": {
            "before each like them in a split": {n: dict(c) for n, c in found.within.items()},
            "distinct pictures in both": dict(found.across),
        },
        "records": pair_step.SCHEMA,
        "versions": _versions(),
        "sha256": {file: sum_ for name in known for file, sum_ in known[name]["sha256"].items()},
    }
    output_files.write_json(f"{plan.output}/{MANIFEST}", content)
    return content


def nothing_left(plan: Plan, counted: Accounts) -> str:
    """An error's message that says why there is nothing to write."""
    total = Tally()
    for tally in counted.splits.values():
        total.add(tally)
    reasons = ", ".join(f"{reason} ({pairs:,})" for reason, pairs in total.dropped.most_common())
    return (
        f"No pair of {plan.options.source} is left: {reasons or 'it is empty'}. Correct the "
        f"source, or give other options and another folder as output."
    )


def table(content: Mapping[str, Any]) -> str:
    """Pairs in, by reason why they were dropped, and out, as text of some lines."""
    splits = list(content["input"])
    reasons = sorted({reason for name in splits for reason in content["input"][name]["dropped"]})
    rows = [["", *splits], ["pairs in", *(f"{content['input'][s]['pairs']:,}" for s in splits)]]
    for reason in reasons:
        dropped = [content["input"][s]["dropped"].get(reason, {"pairs": 0}) for s in splits]
        rows.append([f"- {reason}", *(f"{cell['pairs']:,}" for cell in dropped)])
    rows.append(["pairs out", *(f"{content['input'][s]['kept']:,}" for s in splits)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


_SUMS = ("pairs", "captions", "bytes")


def _account(tally: Tally) -> dict[str, Any]:
    return {
        "pairs": tally.pairs,
        "kept": tally.pairs - tally.dropped.total(),
        "dropped": {
            reason: {"pairs": pairs, "keys": tally.samples.get(reason, [])}
            for reason, pairs in sorted(tally.dropped.items())
            if pairs
        },
    }


def _captions(source: Mapping[str, Tally], out: int) -> dict[str, Any]:
    total = Tally()
    for tally in source.values():
        total.add(tally)
    reasons = {reason: count for reason, count in sorted(total.captions.items()) if reason}
    reasons[_WITH_PICTURE] = total.captions[""] - out
    found = total.captions.total()
    return {"found": found, "kept": out, "dropped": {r: n for r, n in reasons.items() if n}}


def _describe(plan: Plan, written: Mapping[str, Sequence[tuple[str, int]]]) -> None:
    """Writes dataset.json, and opens what it describes."""
    source = units.load(plan.options.source)
    splits = {
        split: {
            "files": [name for name, _ in found],
            "examples": sum(pairs for _, pairs in found),
            "counts": [pairs for _, pairs in found],
        }
        for split, found in written.items()
        if found
    }
    content = {"name": plan.output.rstrip("/").rpartition("/")[2], "splits": splits}
    if source.classes:
        content |= {"classes": list(source.classes), "templates": list(source.templates)}
    output_files.write_json(f"{plan.output}/{DESCRIPTION}", content)
    for split in open_described(plan.output, plan.output).splits.values():
        for part in range(len(split.counts)):
            split.read(part, 0, 1)


def _keys(plan: Plan, number: int, rows: np.ndarray) -> Iterator[str]:
    """The keys of some pairs of a unit."""
    if not len(rows):
        return
    starts = unit_step.facts(plan, number, "starts")["starts"]
    for row in rows.tolist():
        start, end = starts[row : row + 2].tolist()
        data = files.read(plan.unit_file(number, unit_step.RECORDS), start, end - start)
        yield Pair.of(data[HEAD:-TAIL]).key


def _versions() -> dict[str, str]:
    versions = record.packages()
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
