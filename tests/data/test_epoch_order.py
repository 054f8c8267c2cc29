"""The order of an epoch: all of it, once, found at any position without reading."""

import itertools
from collections import Counter

import numpy as np
import pytest

from clipbench_tf.data.epoch_order import BLOCK, EpochOrder, hashes, permutation

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
