"""The order of an epoch: every record once, seeded, and each worker its own shards."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from clipbench_tf.data.epoch_order import BLOCK, EpochOrder, hashes, permutation, share
from clipbench_tf.data.readers.tfrecords import TFRecordReader
from clipbench_tf.data.sources import DatasetError
from tests.data.numbered import numbers, shards, stream

COUNTS = (100, 7, 0, 33, 250)


def rows(order: EpochOrder, window: int) -> list[tuple[int, int]]:
    """The (part, number) of every record in a window."""
    return [(part, first + n) for part, first, count in order.blocks(window) for n in range(count)]


@pytest.mark.parametrize(("workers", "window"), [(1, 64), (3, 64), (2, 5), (1, 1000), (5, 1)])
def test_windows_of_all_workers_hold_every_record_once(workers, window):
    for epoch in (0, 3):
        seen = Counter()
        for worker in range(workers):
            order = EpochOrder(COUNTS, 1, worker, workers, window)
            windows = range(epoch * order.windows, (epoch + 1) * order.windows)
            mine = list(itertools.chain.from_iterable(rows(order, w) for w in windows))
            assert len(mine) == order.examples
            assert max(len(rows(order, w)) for w in windows) <= window + BLOCK
            seen.update(mine)
        assert seen == {(p, n): 1 for p, count in enumerate(COUNTS) for n in range(count)}


@pytest.mark.parametrize("window", [1, 50, 64, 5000])
def test_a_position_is_placed_where_counting_finds_it(window):
    order = EpochOrder(COUNTS, 2, 1, 2, window)
    position = 0
    for number in range(3 * order.windows):
        for behind in range(len(rows(order, number))):
            assert order.place(position) == (number, behind)
            position += 1
    assert position == 3 * order.examples


def test_epochs_seeds_and_workers_have_orders_of_their_own():
    def whole(*arguments):
        order = EpochOrder((400, 400), *arguments, window=10**6)
        return [tuple(map(tuple, order.blocks(epoch))) for epoch in range(2)]

    orders = [*whole(0), *whole(1), *whole(0, 0, 2), *whole(0, 1, 2)]
    assert len(set(orders)) == 8
    assert whole(0) == whole(0)


def test_the_order_of_fifteen_million_is_found_at_once_anywhere():
    order = EpochOrder((10_000,) * 1500, 0, window=8192)
    window, behind = order.place(10_000_000)
    assert window == pytest.approx(10_000_000 / 8192, abs=2)
    assert 0 <= behind < 8192 + BLOCK
    parts = order.blocks(window)[:, 0]
    assert len(set(parts.tolist())) > 200  # 256 blocks from all over 1,500 shards


def test_a_permutation_is_one_and_its_numbers_never_change():
    assert sorted(permutation(1000, 3, 4).tolist()) == list(range(1000))
    # SplitMix64's first outputs from seed 0, as its authors' C program prints them.
    assert [hex(h) for h in hashes(2).tolist()] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]
    assert permutation(8, 0).tolist() == np.argsort(hashes(8, 0), kind="stable").tolist()


def epochs(
    split: TFRecordReader, first: int, count: int, worker: int, workers: int, **arguments
) -> list[list[int]]:
    """What `worker` reads in each of `count` epochs, from the `first` one on."""
    low, high = share(split.examples, worker, workers)
    size, start = high - low, first * (high - low)
    read = stream(split, count * size, start=start, worker=worker, workers=workers, **arguments)
    assert [position for position, _ in read] == list(range(start, start + count * size))
    return [numbers(read[n * size : (n + 1) * size]) for n in range(count)]


def epoch(split: TFRecordReader, number: int, worker: int, workers: int) -> list[int]:
    """What `worker` reads in an epoch."""
    return epochs(split, number, 1, worker, workers)[0]


ALL = list(itertools.product([(7, 5, 9, 3, 8), (40,), (1, 30, 2), (4, 4, 4, 4)], [2, 3, 4]))
SOME = [((7, 5, 9, 3, 8), 3), ((40,), 2), ((1, 30, 2), 4), ((4, 4, 4, 4), 2)]


@pytest.mark.parametrize(
    ("counts", "workers"),
    [pytest.param(*case, marks=[] if case in SOME else pytest.mark.slow) for case in ALL],
)
def test_every_record_once_in_each_epoch(tmp_path, counts, workers):
    split = shards(tmp_path, *counts)
    for first, count in ((0, 2), (5, 1)):
        of_workers = [
            epochs(split, first, count, worker, workers, buffer=4) for worker in range(workers)
        ]
        for parts in zip(*of_workers, strict=True):
            assert Counter(itertools.chain(*parts)) == Counter(range(split.examples))


def test_shards_that_divide_are_opened_by_one_worker_only(tmp_path):
    split = shards(tmp_path, 4, 4, 4, 4)
    for worker in range(2):
        read = epoch(split, 0, worker, 2)
        assert len({record // 4 for record in read}) == 2


def test_a_worker_does_not_open_the_shards_of_others(tmp_path):
    split = shards(tmp_path, 4, 4, 4, 4)
    mine = {record // 4 for record in epoch(split, 0, 0, 2)}
    for index, file in enumerate(split.paths):
        if index not in mine:
            Path(file).unlink()
    assert {record // 4 for record in epoch(split, 0, 0, 2)} == mine


def test_epochs_deal_the_shards_anew_and_a_resumed_stream_is_the_rest(tmp_path):
    split = shards(tmp_path, 5, 6, 7, 4, 8)
    assert set(epoch(split, 0, 0, 3)) != set(epoch(split, 1, 0, 3))
    whole = stream(split, 25, worker=1, workers=3)
    assert stream(split, 14, start=11, worker=1, workers=3) == whole[11:]


def test_counts_may_be_given_and_must_add_up(tmp_path):
    split = shards(tmp_path, 3, 2)
    assert split.counts == (3, 2)
    assert TFRecordReader(split.paths, 5, (3, 2)).counts == (3, 2)
    with pytest.raises(DatasetError, match=r"hold 5 records, but dataset\.json says 9"):
        stream(TFRecordReader(split.paths, 9), 1, worker=0, workers=2)
    with pytest.raises(DatasetError, match="hold 4 records"):
        sum(TFRecordReader(split.paths, 5, (4,)).counts)


def test_shares_are_as_equal_as_can_be():
    for examples, workers in ((10, 3), (7, 7), (100, 8)):
        shares = [share(examples, worker, workers) for worker in range(workers)]
        assert [low for low, _ in shares[1:]] == [high for _, high in shares[:-1]]
        sizes = np.diff(shares, axis=1)
        assert (shares[0][0], shares[-1][1]) == (0, examples)
        assert sizes.max() - sizes.min() <= 1
    assert share(5, 0, 1) == (0, 5)
