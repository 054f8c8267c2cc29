"""The order in which a worker reads the records of an epoch: a function of seeds and numbers alone.

Of each epoch the parts (shards) are shuffled and dealt to the workers; the stretches of a worker
are cut into blocks of a few consecutive records, which are shuffled; successive blocks make up a
window, whose records are shuffled as they are read. So every record is read once an epoch, from
files that are read in stretches, and the place of any position is found without reading.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

BLOCK = 32  # consecutive records; some hundred kB, which a disk or bucket reads as fast as one

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # of SplitMix64


def share(examples: int, worker: int, workers: int) -> tuple[int, int]:
    """The range [first, end) of an epoch's `examples` that `worker` of `workers` reads."""
    return worker * examples // workers, (worker + 1) * examples // workers


@dataclasses.dataclass(frozen=True)
class EpochOrder:
    """The order of every epoch of one worker.

    Attributes:
        counts: number of records in each part.
        seed: of the run.
        worker, workers: which of how many workers.
        window: number of records shuffled together, about; windows of an epoch are equally large.
    """

    counts: Sequence[int]
    seed: int
    worker: int = 0
    workers: int = 1
    window: int = 8192

    @functools.cached_property
    def examples(self) -> int:
        """Records that this worker reads in an epoch."""
        low, high = share(sum(self.counts), self.worker, self.workers)
        return high - low

    @functools.cached_property
    def windows(self) -> int:
        """Windows in an epoch."""
        return -(-self.examples // self.window)

    def place(self, position: int) -> tuple[int, int]:
        """Of the endless stream's `position`: its window, counted through all epochs, and how many
        records of that window come before it."""
        epoch, behind = divmod(position, self.examples)
        edges = self._epoch(epoch)[1]
        window = int(np.searchsorted(edges, behind, side="right")) - 1
        return epoch * self.windows + window, behind - int(edges[window])

    def blocks(self, window: int) -> np.ndarray:
        """The blocks of a window, counted through all epochs: rows (part, first, count), int64."""
        epoch, number = divmod(window, self.windows)
        blocks, edges = self._epoch(epoch)
        starts = np.cumsum(blocks[:, 2]) - blocks[:, 2]
        inside = slice(*np.searchsorted(starts, edges[number : number + 2]))
        return blocks[inside]

    def seeds(self, window: int) -> np.ndarray:
        """Two seeds for the order of the records in a window, int64 [2], not negative."""
        return (hashes(2, self.seed, self.worker, window) >> np.uint64(1)).astype(np.int64)

    @functools.lru_cache(maxsize=4)  # noqa: B019  lives as long as the run
    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """All blocks of an epoch in order, and where its windows begin and end [windows + 1]."""
        order = permutation(len(self.counts), self.seed, epoch)
        counts = np.asarray(self.counts, np.int64)[order]
        starts = np.cumsum(counts) - counts
        low, high = share(int(counts.sum()), self.worker, self.workers)
        firsts = np.clip(low - starts, 0, counts)
        takes = np.clip(high - starts, 0, counts) - firsts
        blocks = cut(order, firsts, takes, min(BLOCK, self.window))
        blocks = blocks[permutation(len(blocks), self.seed, epoch, self.worker)]
        ends = np.concatenate([[0], np.cumsum(blocks[:, 2])])
        targets = np.arange(self.windows) * self.examples // max(self.windows, 1)
        edges = ends[np.searchsorted(ends, targets)]
        return blocks, np.concatenate([edges, [self.examples]])


def cut(parts: np.ndarray, firsts: np.ndarray, takes: np.ndarray, size: int) -> np.ndarray:
    """Cuts stretches into blocks of `size` records at most: rows (part, first, count), [B, 3]."""
    pieces = -(-takes // size)
    stretch = np.repeat(np.arange(len(parts)), pieces)
    number = np.arange(len(stretch)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    counts = np.minimum(size, takes[stretch] - number * size)
    return np.stack([parts[stretch], firsts[stretch] + number * size, counts], axis=1)


def permutation(size: int, *seeds: int) -> np.ndarray:
    """A permutation of 0 to `size - 1` by the seeds alone, whatever the version of NumPy."""
    return np.argsort(hashes(size, *seeds), kind="stable")


def hashes(size: int, *seeds: int) -> np.ndarray:
    """uint64 [size]: the SplitMix64 generator of Steele et al. 2014, at `size` counters."""
    state = np.uint64(0)
    with np.errstate(over="ignore"):
        for seed in seeds:
            state = _mix(np.array([state + np.uint64(seed % 2**64)]))[0]
        counters = np.arange(size, dtype=np.uint64) * _GAMMA
        return _mix(state + counters)


def _mix(z: np.ndarray) -> np.ndarray:
    z = z + _GAMMA
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
