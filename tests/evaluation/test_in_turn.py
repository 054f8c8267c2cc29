import threading

import pytest

from clipbench_tf.evaluation.in_turn import in_turn


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 11])
def test_results_come_in_the_order_of_the_items_and_workers_take_turns(workers, count):
    calls = [lambda item, number=number: (number, item * item) for number in range(workers)]
    found = list(in_turn(range(count), calls))
    assert found == [(item % workers, item * item) for item in range(count)]


def test_two_workers_work_at_the_same_time():
    both = threading.Barrier(2, timeout=20)  # passed by two threads at once, or broken
    assert list(in_turn(range(6), [lambda i: both.wait() is not None] * 2)) == [True] * 6


def test_an_error_stands_in_the_place_of_its_result_and_ends_all():
    taken, found = [], []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    def work(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    with pytest.raises(ValueError, match="five"):
        for result in in_turn(items(), [work, work]):
            found.append(result)
    assert found == [0, 1, 2, 3, 4]
    assert len(taken) < 12
