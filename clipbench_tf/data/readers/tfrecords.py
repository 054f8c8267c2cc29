"""TFRecord shards, as preparation writes them."""

import functools
import struct
from collections.abc import Sequence

import google_crc32c
import numpy as np

from clipbench_tf.data.readers import files, index
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import NO_PAIR, Pair

# A record is its length (8 bytes), a checksum of that (4), the data, a checksum of the data (4).
HEAD, TAIL = 12, 4
BESIDE = ".index"  # what the file of a shard's starts, little-endian uint64, adds to its name


class TFRecordReader:
    """TFRecord shards; every part is a file. Records are checked against their checksums.

    Args:
        paths: of the files.
        examples: number of records in all of them; None to count.
        counts: those in each file; by default the files are asked, once.
        description: where the numbers come from, for messages.
    """

    def __init__(
        self,
        paths: Sequence[str],
        examples: int | None = None,
        counts: Sequence[int] | None = None,
        *,
        description: str = "dataset.json",
    ) -> None:
        self.paths, self._examples, self._counts = tuple(paths), examples, counts
        self.description = description
        self.names = [path.rpartition("/")[2] for path in self.paths]
        self._held: dict[int, int] = {}
        self._starts: dict[int, np.ndarray] = {}  # of shards without an index beside them

    @property
    def examples(self) -> int:
        """See `Reader`."""
        return sum(self.counts) if self._examples is None else self._examples

    @functools.cached_property
    def counts(self) -> tuple[int, ...]:
        """See `Reader`."""
        counts = tuple(self._counts or map(self._records, range(len(self.paths))))
        wrong = self._examples not in (None, sum(counts)) or len(counts) != len(self.paths)
        if wrong:
            raise DatasetError(
                f"The {len(self.paths)} shards beside {self.paths[0] if self.paths else '-'} hold "
                f"{sum(counts)} records, but {self.description} says {self._examples}; correct "
                f"its examples and counts."
            )
        return counts

    def check(self) -> None:
        """Looks at the first record; see `CheckedReader`.

        Raises:
            DatasetError: if it is no pair.
        """
        if not self.paths:
            return  # of a plan, which has no data
        part = next((part for part, count in enumerate(self.counts) if count), None)
        if part is not None and Pair.of(self.read(part, 0, 1)[0]) == NO_PAIR:
            raise DatasetError(
                f"{self.paths[part]} holds no pairs: its records must be tf.train.Examples with "
                f"the features key, image (an encoded picture) and captions. "
                f"scripts/prepare_data.py writes such shards."
            )

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """See `Reader`."""
        name, path = self.names[part], self.paths[part]
        held = self._records(part)
        if held != self.counts[part]:
            raise DatasetError(
                f"{path} holds {held} records, but {self.description} counts "
                f"{self.counts[part]}; correct its counts, or build the shard again."
            )
        framed = files.read_between(path, self._edges(part, first, count))
        return [_checked(one, f"{name}:{number}") for number, one in enumerate(framed, first)]

    def _records(self, part: int) -> int:
        """Number of records that a shard holds, by its index."""
        if part not in self._held:
            path = self.paths[part]
            if files.exists(path + BESIDE):
                length = files.size(path + BESIDE)
                last = np.frombuffer(files.read(path + BESIDE, length - 8), "<u8")
                if length % 8 or last.tolist() != [files.size(path)]:
                    raise DatasetError(
                        f"{path + BESIDE} is not the index of {path}: remove it, and a new one is "
                        f"made, or prepare the data set again."
                    )
                self._held[part] = length // 8 - 1
            else:
                kept = index.kept(path, "tfrecord", lambda: {"starts": scan(path)})
                self._starts[part] = kept["starts"]
                self._held[part] = len(kept["starts"]) - 1
        return self._held[part]

    def _edges(self, part: int, first: int, count: int) -> list[int]:
        """Where `count` records begin, and where the last of them ends."""
        if part in self._starts:
            return self._starts[part][first : first + count + 1].tolist()
        beside = files.read(self.paths[part] + BESIDE, 8 * first, 8 * (count + 1))
        return np.frombuffer(beside, "<u8").tolist()


def _checked(framed: bytes, name: str) -> bytes:
    """The data of a record, or a pair with a problem where it is cut or the checksum differs."""
    data = framed[HEAD:-TAIL]
    if framed[-TAIL:] != struct.pack("<I", masked_crc(data)):
        return Pair(key=name, problem="damaged record").serialize()
    return data


def masked_crc(data: bytes) -> int:
    """The checksum of the TFRecord format: CRC-32C, rotated by 15 bits, plus a constant."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def scan(path: str) -> np.ndarray:
    """Where the records of a shard begin, and where the last ends, uint64 [N + 1].

    Raises:
        DatasetError: if the file is damaged.
    """
    size, starts = files.size(path), [0]
    with files.open_binary(path) as stream:
        while starts[-1] < size:
            stream.seek(starts[-1])
            head = stream.read(HEAD)
            end = size + 1
            if len(head) == HEAD and struct.unpack("<I", head[8:])[0] == masked_crc(head[:8]):
                end = starts[-1] + HEAD + struct.unpack("<Q", head[:8])[0] + TAIL
            if end > size:
                raise DatasetError(
                    f"{path} is cut short, damaged, compressed or no TFRecord file: record "
                    f"{len(starts) - 1} cannot be read. Build or copy it again."
                )
            starts.append(end)
    return np.array(starts, np.uint64)
