"""Some records of a split as a split of their own."""

import numpy as np
import pytest

from clipbench_tf.data import sources
from clipbench_tf.data.selection import Selection, evenly_spread


class Numbers:
    """Parts of 4, 0, 5 and 3 records, which are their numbers; keeps what was read."""

    counts = (4, 0, 5, 3)
    names = ("a", "b", "c", "d")
    examples = 12

    def __init__(self) -> None:
        self.seen: list[int] = []

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        start = sum(self.counts[:part]) + first
        self.seen += range(start, start + count)
        return [b"%d" % number for number in range(start, start + count)]


@pytest.mark.parametrize("places", [[0], [3, 4], [11], [1, 2, 3, 5, 8, 9, 11], list(range(12)), []])
def test_the_chosen_records_alone_are_read_in_order(places):
    reader = Numbers()
    chosen = Selection(reader, np.array(places, np.int64))
    assert chosen.examples == len(places) == sum(chosen.counts)
    found = [int(record) for record in sources.records(chosen).as_numpy_iterator()]
    assert found == places
    assert sorted(reader.seen) == places


@pytest.mark.parametrize(("examples", "limit"), [(12, 5), (7, 7), (3, 10), (1, 1)])
def test_evenly_spread_places_are_at_distances_that_differ_by_one_at_most(examples, limit):
    places = evenly_spread(examples, limit)
    assert len(places) == min(examples, limit) == len(set(places))
    gaps = np.diff([*places, examples])
    assert places[0] == 0
    assert gaps.max() - gaps.min() <= 1


def test_without_a_limit_all_are_taken_and_a_limit_of_none_is_refused():
    assert evenly_spread(4, None).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="A limit of 0 pictures leaves none"):
        evenly_spread(4, 0)
