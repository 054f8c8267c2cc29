"""Pairs read from each form of files beside TFRecord shards, and from the middle of an epoch.

Both sides are ours; the peer reads TFRecord shards as preparation writes them. That both hold the
same pictures and captions is checked first. All files lie in the page cache.

- "tars": shards of img2dataset, with .jpg, .json and .txt of a pair. "table": a CSV, and a file for
  each picture. A repetition is 157 batches of 32 as CLIP trains on them: shuffled, a picture
  decoded, one light view of 224 pixels, ids. Pictures are 64 smooth photographs of 341 x 256 pixels
  (JPEG of 23 kB), captions all differ.
- "records alone" stops at the record as it is stored: what a process can read at most.
- "first record" is the time to open a split of 15 million pairs (1,500 shards of 10,000, all links
  to one) and to read the first record of the stream from position 10 million on, beside 0.
- "memory" reads on from there with the buffer of training, 16,384 records, beside a split of one
  shard. `peak_mb` is the memory of whole processes; `peak_extra_mb` includes what TensorFlow loads
  when it first runs.

The stream goes on from one repetition to the next. What a side has made ready in the meantime is
about 9 of the 157 batches, which draws the ratio a little towards 1.

What was tried
--------------
- tf.data adds a prefetch to a stream that ends without one and lets it grow: where the reader
  paused 0.4 s every 30,000 records, a process came to 1.6 GB. With a prefetch of its own, as
  `Pipeline` has, it stayed at 0.87.
- A whole `Pipeline` at this size of pictures, paused likewise, comes to 1.22 GB with the buffer of
  16,384 records and to 0.95 with 1,024; 0.68 of it before the first batch.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from clipbench_tf.benchmarks.harness.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.harness.contender import Contender, Side
from clipbench_tf.benchmarks.harness.measure import Unit
from clipbench_tf.benchmarks.samples import stored_pairs

_SIDES = "clipbench_tf.benchmarks.ours.reading"
_BATCH = 32
_READ_AHEAD = {"batch": _BATCH, "buffer": 1024}  # little, as it is done while the other is timed
_BARE = 8  # times as many records, which take a fraction of the time
_STARTS = 3  # times as many repetitions, which differ more and take 0.2 s
_PER_FILE, _FILES = 10_000, 1500
_PLACE, _RECORDS = 10_000_000, 30_000


def cases(pictures: int = 5000, repetitions: int = 5) -> Iterator[dict]:
    """Yields records for tars and for a table, for the start in mid-epoch, and for its memory.

    Args:
        pictures: in one repetition, rounded up to whole batches.
        repetitions: of which the medians are taken.
    """
    with tempfile.TemporaryDirectory() as name:
        yield from forms(Path(name), -(-pictures // _BATCH), repetitions)
        large = stored_pairs.write_shards(Path(name) / "large", _PER_FILE, _PER_FILE, _FILES)
        small = stored_pairs.write_shards(Path(name) / "small", _PER_FILE, _PER_FILE)
        yield resumed(large, _PLACE, repetitions)
        yield memory(large, small, _PLACE, _RECORDS, repetitions)


def forms(folder: Path, batches: int, repetitions: int) -> Iterator[dict]:
    """A record for tars and for a table beside shards, whole batches and records alone."""
    count = batches * _BATCH
    shards = stored_pairs.write_shards(folder / "shards", count)
    sources = {
        "tars": stored_pairs.write_tars(folder / "tars", count),
        "table": stored_pairs.write_table(folder / "table", count),
    }
    for function, times, name in (("batches", 1, ""), ("records", _BARE, ", records alone")):
        for form, source in sources.items():
            common = {"count": batches * times, **_READ_AHEAD}
            yield compare(
                f"{form} beside TFRecords{name}",
                Unit("pairs/s", count * times),
                {
                    OURS: Side(f"{_SIDES}:{function}", {"source": source, **common}),
                    PEER: Side(f"{_SIDES}:{function}", {"source": shards, **common}),
                },
                repetitions=repetitions,
                tolerance=0.0,
            )


def resumed(source: str, place: int, repetitions: int) -> dict:
    """A record for the time to the first pair of a stream from `place` on, beside one from 0."""
    sides = {
        name: Side(f"{_SIDES}:first_record", {"source": source, "start": start})
        for name, start in ((OURS, place), (PEER, 0))
    }
    case = f"first record from position {place:,} beside 0"
    return compare(case, Unit("ms"), sides, repetitions=_STARTS * repetitions)


def memory(large: str, small: str, place: int, records: int, repetitions: int) -> dict:
    """A record for reading a `large` split from `place` on, beside a `small` one from 0.

    `peak_mb` is the memory of whole processes, libraries included, that read `records` records.
    """
    count = -(-records // _BATCH)
    common: dict[str, Any] = {"count": count, "batch": _BATCH, "buffer": 16384}
    sides = {
        name: Side(f"{_SIDES}:records_from", {"source": source, "start": start, **common})
        for name, source, start in ((OURS, large, place), (PEER, small, 0))
    }
    case = f"memory from position {place:,} beside a split of one shard"
    record = compare(case, Unit("pairs/s", count * _BATCH), sides, repetitions=repetitions)
    peaks = {}
    for name, side in sides.items():
        with Contender(side) as one:
            (peak,) = cast(list[float], one.answer())
        peaks[name] = round(peak / 1e6, 1)
    return record | {"peak_mb": peaks}
