import math
from types import SimpleNamespace

import pytest
import tensorflow as tf

from clipbench_tf.callbacks.throughput import Throughput


class Run:
    """A run on a clock of its own."""

    def __init__(self, batch_size, memory=15.0):
        self.now = 100.0
        self.iterations = tf.Variable(0, dtype=tf.int64)
        self.throughput = Throughput(batch_size, memory=memory, clock=lambda: self.now)
        optimizer = SimpleNamespace(iterations=self.iterations)
        self.throughput.set_model(SimpleNamespace(optimizer=optimizer))
        self.throughput.on_train_begin()

    def execute(self, seconds, steps=1, pause=0.0):
        self.throughput.on_train_batch_begin(0)
        self.now += seconds
        self.iterations.assign_add(steps)
        self.throughput.on_train_batch_end(0)
        self.now += pause


def test_unknown_until_a_second_execution():
    run = Run(8)
    assert run.throughput.pairs_per_second is None
    run.execute(60.0)  # compiles
    assert run.throughput.pairs_per_second is None
    assert run.throughput.seconds_left(10) is None
    run.execute(0.5)
    assert run.throughput.pairs_per_second == pytest.approx(16.0)
    assert run.throughput.seconds_left(10) is None


def test_the_first_time_left_is_near_the_last_though_the_first_steps_are_slow():
    run = Run(128)
    told = []
    for seconds in (60.0, 19.0, 12.0, *[2.2] * 100):
        run.execute(seconds)
        left = run.throughput.seconds_left(100)
        told += [] if left is None else [left]
    assert len(told) >= 80
    assert told[0] == pytest.approx(220.0, rel=0.2)
    assert told[-1] == pytest.approx(220.0, rel=1e-3)


def test_no_time_left_before_twice_as_much_is_measured_as_is_remembered():
    run = Run(8)
    for _ in range(1 + 2 + 60):  # the first of them compiles
        assert run.throughput.seconds_left(10) is None
        run.execute(0.5)
    assert run.throughput.seconds_left(10) == pytest.approx(5.0)


def test_pauses_do_not_count():
    run = Run(8)
    for _ in range(5):
        run.execute(0.25, pause=30.0)
    assert run.throughput.pairs_per_second == pytest.approx(32.0)


def test_several_steps_per_execution():
    run = Run(8)
    run.execute(9.0, steps=10)
    run.execute(5.0, steps=10)
    assert run.throughput.pairs_per_second == pytest.approx(16.0)


def test_recent_executions_weigh_more():
    run = Run(1, memory=2.0)
    for seconds in (9.0, 1.0, 4.0):
        run.execute(seconds)
    keep = math.exp(-4.0 / 2.0)
    assert run.throughput.pairs_per_second == pytest.approx((keep + 1) / (keep + 4))


def test_a_second_fit_keeps_the_speed_but_not_its_first_execution():
    run = Run(8)
    run.execute(9.0)
    run.execute(1.0)
    run.now += 50.0
    run.throughput.on_train_begin()
    run.execute(7.0)
    assert run.throughput.pairs_per_second == pytest.approx(8.0)
    run.execute(1.0)
    assert run.throughput.pairs_per_second == pytest.approx(8.0)


def test_resumed_run_counts_only_its_own_steps():
    run = Run(8)
    run.iterations.assign(1000)
    run.throughput.on_train_begin()
    run.execute(5.0)
    run.execute(1.0)
    assert run.throughput.pairs_per_second == pytest.approx(8.0)
