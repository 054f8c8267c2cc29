"""Curves of cost: the exponent, and the work whose time they are of."""

import numpy as np
import pytest

from clipbench_tf.benchmarks import growth
from clipbench_tf.benchmarks.ours.growth import WIDTH, classes, queue
from clipbench_tf.benchmarks.ours.methods import from_gin
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.planning.costs.signals import costs
from clipbench_tf.planning.costs.workload import Workload


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_the_exponent_is_that_of_the_upper_half(power):
    sizes = np.array([10, 20, 40, 80, 160, 320])
    figures = 3.0 * sizes.astype(float) ** power
    figures[:2] = 1e6  # what a call costs, whatever the size
    assert growth.exponent(sizes, figures) == pytest.approx(power, abs=1e-3)


def test_the_best_classes_are_those_of_numpy():
    def drawn(rows, seed):
        values = np.random.default_rng(seed).standard_normal((rows, WIDTH), np.float32)
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    found = classes(50, 3).run()
    scores = drawn(3, 0) @ drawn(50, 1).T
    np.testing.assert_array_equal(found, np.argsort(-scores, axis=1)[:, :5])


def test_the_queue_gives_a_loss_and_takes_what_it_enqueues():
    with pytest.raises(Exception, match="more captions than the queue"):
        queue(5, 3).run()
    assert 0 < float(queue(64, 3).run()) < 20


def test_the_planned_operations_of_the_queue_are_the_planners():
    parts = from_gin("declip", "float32", 64)
    small, large = (
        costs(NearestNeighbor(size=size), parts.method, Workload(batch=64)) for size in (1000, 3000)
    )
    assert large.forward - small.forward == 2000 * growth.QUEUE_OPERATIONS
