"""Stage 1: a unit of the source becomes a file of records, and one of what is known of them."""

import dataclasses
import io
import json
import struct
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from clipbench_tf.data.preparation import pair_step
from clipbench_tf.data.preparation.engine import output_files
from clipbench_tf.data.preparation.pair_step import Kept
from clipbench_tf.data.preparation.units import Plan, Unit, readers
from clipbench_tf.data.readers import files, index
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tfrecords import masked_crc

RECORDS, FACTS = "tfrecord", "npz"
SAMPLES = 10  # keys that are kept of each reason to drop pairs
_TOGETHER = 32  # records in memory
_KEY = 200  # characters of a key in a report


@dataclasses.dataclass
class Tally:
    """Counts of pairs, and of captions; those dropped by reason, with the first few keys."""

    pairs: int = 0
    dropped: Counter[str] = dataclasses.field(default_factory=Counter)
    samples: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    captions: Counter[str] = dataclasses.field(default_factory=Counter)

    def drop(self, key: str, reason: str) -> None:
        """Counts a dropped pair."""
        self.dropped[reason] += 1
        keys = self.samples.setdefault(reason, [])
        if len(keys) < SAMPLES:
            keys.append(key[:_KEY])

    def add(self, other: "Tally") -> None:
        """Adds the counts of what comes after."""
        self.pairs += other.pairs
        self.dropped.update(other.dropped)
        self.captions.update(other.captions)
        for reason, keys in other.samples.items():
            held = self.samples.setdefault(reason, [])
            held.extend(keys[: SAMPLES - len(held)])


def run(plan: Plan, unit: Unit) -> None:
    """Does a unit, in memory that does not depend on its size; its facts are written last.

    Raises:
        DatasetError: if the source does not hold as many records as it says.
    """
    if unit.data:
        facts = _pictures_of(plan, unit)
    else:
        with output_files.whole(plan.unit_file(unit.number, RECORDS)) as stream:
            facts = _prepare(plan, unit, stream)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **facts)
    output_files.write(plan.unit_file(unit.number, FACTS), packed.getvalue())


def facts(plan: Plan, number: int, *names: str) -> dict[str, np.ndarray]:
    """Of a unit that is done: `key`, `picture` and `captions`, hashes as bytes uint8 [N, 16];
    `split`, uint8 [N]; `starts` of its records, uint64 [N + 1]. Those called `names`."""
    return unpacked(files.read(plan.unit_file(number, FACTS)), *names)


def unpacked(data: bytes, *names: str) -> dict[str, np.ndarray]:
    """Those called `names` in the file of facts that holds `data`."""
    return index.unpacked(io.BytesIO(data), *names)


def tally(plan: Plan, number: int) -> Tally:
    """The counts of a unit that is done."""
    fields = json.loads(facts(plan, number, "tally")["tally"].tobytes())
    fields["dropped"], fields["captions"] = Counter(fields["dropped"]), Counter(fields["captions"])
    return Tally(**fields)


def framed(record: bytes) -> bytes:
    """A record as it stands in a TFRecord file."""
    length = struct.pack("<Q", len(record))
    checksums = (struct.pack("<I", masked_crc(data)) for data in (length, record))
    return b"".join((length, next(checksums), record, next(checksums)))


def _records(plan: Plan, unit: Unit) -> Iterator[bytes]:
    reader = readers(plan.options, unit.data)[unit.split]
    end = unit.first + unit.pairs
    for first in range(unit.first, end, _TOGETHER):
        count = min(_TOGETHER, end - first)
        found = reader.read(unit.part, first, count)
        if len(found) != count:
            raise DatasetError(
                f"{reader.names[unit.part]} gave {len(found)} records from {first} on, not "
                f"{count}; it has changed since the preparation began, begin it anew."
            )
        yield from found


def _prepare(plan: Plan, unit: Unit, stream: BinaryIO) -> dict[str, np.ndarray]:
    options, names = plan.options, plan.out_splits
    counted, starts, splits = Tally(), [0], bytearray()
    hashes: dict[str, bytearray] = {
        "key": bytearray(),
        "picture": bytearray(),
        "captions": bytearray(),
    }
    for record in _records(plan, unit):
        counted.pairs += 1
        result = pair_step.process(record, options, counted.captions)
        if not isinstance(result, Kept):
            counted.drop(*result)
            continue
        data = framed(result.record)
        stream.write(data)
        starts.append(starts[-1] + len(data))
        hashes["key"] += result.key_hash
        hashes["picture"] += result.picture_hash
        hashes["captions"] += result.captions_hash
        drawn = int.from_bytes(result.picture_hash[:6], "big") / 2**48 < options.validation
        splits.append(names.index("validation" if drawn else unit.split))
    text = json.dumps(vars(counted)).encode()
    return {
        **{name: _rows(found) for name, found in hashes.items()},
        "split": np.frombuffer(bytes(splits), np.uint8),
        "starts": np.array(starts, np.uint64),
        "tally": np.frombuffer(text, np.uint8),
    }


def _pictures_of(plan: Plan, unit: Unit) -> dict[str, np.ndarray]:
    """The hashes of the pictures that the source is compared with."""
    found = bytearray()
    for record in _records(plan, unit):
        pair = Pair.of(record)
        if pair.image:
            found += pair_step.source_hash(record, pair)
    return {"picture": _rows(found)}


def _rows(hashes: bytearray) -> np.ndarray:
    return np.frombuffer(bytes(hashes), np.uint8).reshape(-1, 16)
