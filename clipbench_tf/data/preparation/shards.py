"""Stage 3: the pairs that stay, in shards of equal size, in the order of the source."""

import hashlib
import pickle
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from clipbench_tf.data.preparation import unit_step
from clipbench_tf.data.preparation.duplicates import Duplicates
from clipbench_tf.data.preparation.engine import output_files
from clipbench_tf.data.preparation.units import SHARDS, Plan, Unit
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tfrecords import BESIDE, HEAD, TAIL
from clipbench_tf.data.statistics.caption_statistics import CaptionStatistics

DROPPED = "dropped"  # file of the work folder: of each pair the number of its reason, a byte


class Stretch(NamedTuple):
    """Of the pairs of a split that stay in a unit, those from `begin` to `end`."""

    unit: int
    offset: int  # number of the unit's first pair
    pairs: int  # of the unit, those that are dropped and those of other splits too
    begin: int
    end: int


class Shard(NamedTuple):
    """A file of the prepared data set."""

    name: str
    split: int
    stretches: tuple[Stretch, ...]


def save(plan: Plan, found: Duplicates) -> None:
    """Writes which pairs are dropped to where `write` reads it."""
    output_files.write(f"{plan.work}/{DROPPED}", found.dropped.tobytes())


def shards(plan: Plan, units: Sequence[Unit], found: Duplicates) -> Iterator[Shard]:
    """All shards, split by split. A split without pairs has none."""
    counts = np.array([_counts(plan, unit, found) for unit in units if unit.data == 0])
    counts = counts.reshape(-1, len(plan.out_splits))
    for split, name in enumerate(plan.out_splits):
        ends = np.cumsum([0, *counts[:, split]])
        pairs = int(ends[-1])
        total = -(-pairs // plan.options.shard_pairs)
        for number in range(total):
            low, high = number * pairs // total, (number + 1) * pairs // total
            first, last = np.searchsorted(ends, [low, high - 1], side="right") - 1
            stretches = tuple(
                Stretch(
                    unit,
                    int(found.offsets[unit]),
                    int(found.offsets[unit + 1] - found.offsets[unit]),
                    max(0, low - int(ends[unit])),
                    min(int(counts[unit, split]), high - int(ends[unit])),
                )
                for unit in range(first, last + 1)
                if counts[unit, split]
            )
            yield Shard(f"{name}-{number:05d}-of-{total:05d}.tfrecord", split, stretches)


def done(plan: Plan, shard: Shard) -> bool:
    """Whether the shard has been written before; its facts are written last."""
    return files.exists(_work(plan, shard.name, "json"))


def facts(plan: Plan, shard: Shard) -> dict[str, Any]:
    """Of a shard that is written: `pairs`, `captions`, `bytes`, and checksums by file."""
    return output_files.read_json(_work(plan, shard.name, "json"))


def write(plan: Plan, shard: Shard) -> str:
    """Writes a shard and its index, if they are not there yet; returns its name.

    The records are copied, as they have been framed already.
    """
    if done(plan, shard):
        return shard.name
    path, starts, statistics = f"{plan.output}/{shard.name}", [0], CaptionStatistics()
    checksum, captions = hashlib.sha256(), 0
    with output_files.whole(path) as stream:
        for framed in _framed(plan, shard):
            stream.write(framed)
            checksum.update(framed)
            starts.append(starts[-1] + len(framed))
            texts = Pair.of(framed[HEAD:-TAIL]).captions
            captions += len(texts)
            if plan.options.statistics:
                statistics.add(*texts)
    index = np.array(starts, "<u8").tobytes()
    output_files.write(path + BESIDE, index)
    if plan.options.statistics:
        output_files.write(_work(plan, shard.name, "statistics"), pickle.dumps(statistics))
    sums = {
        shard.name: checksum.hexdigest(),
        shard.name + BESIDE: hashlib.sha256(index).hexdigest(),
    }
    content = {"pairs": len(starts) - 1, "captions": captions, "bytes": starts[-1], "sha256": sums}
    output_files.write_json(_work(plan, shard.name, "json"), content)
    return shard.name


def split_of(name: str) -> str:
    """The split of the shard called `name`."""
    return name.rsplit("-", 3)[0]


def statistics(plan: Plan, name: str) -> CaptionStatistics:
    """What was counted of the captions of the shard called `name`."""
    return pickle.loads(files.read(_work(plan, name, "statistics")))


def _counts(plan: Plan, unit: Unit, found: Duplicates) -> np.ndarray:
    """How many pairs of a unit stay, by split."""
    rows = slice(*found.offsets[unit.number : unit.number + 2])
    stay = found.dropped[rows] == 0
    return np.bincount(found.split[rows][stay], minlength=len(plan.out_splits))


def _framed(plan: Plan, shard: Shard) -> Iterator[bytes]:
    """The records of a shard as they stand in the files of the units, a stretch at a time."""
    for stretch in shard.stretches:
        known = unit_step.facts(plan, stretch.unit, "split", "starts")
        reasons = files.read(f"{plan.work}/{DROPPED}", stretch.offset, stretch.pairs)
        stay = np.frombuffer(reasons, np.uint8) == 0
        rows = np.flatnonzero(stay & (known["split"] == shard.split))[stretch.begin : stretch.end]
        path = plan.unit_file(stretch.unit, unit_step.RECORDS)
        with files.open_binary(path) as stream:
            for row in rows.tolist():
                start, end = known["starts"][row : row + 2].tolist()
                stream.seek(start)
                yield stream.read(end - start)


def _work(plan: Plan, name: str, extension: str) -> str:
    return f"{plan.work}/{SHARDS}/{name}.{extension}"
