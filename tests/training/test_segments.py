"""The parts of a run that is evaluated at intervals, against a count of steps one by one."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf.training.segments import segments


def epoch_ends(start: int, parts: list[tuple[int, int, int]]) -> list[int]:
    """The steps at which Keras would end an epoch, from how `fit` counts."""
    ends, step = [], start
    for first, last, steps in parts:
        for _ in range(first, last):
            step += steps
            ends.append(step)
    return ends


def test_epochs_end_where_evaluations_are_due_and_at_the_last_step():
    for total, interval in itertools.product(range(1, 14), range(1, 16)):
        for start in range(total + 1):
            due = [s for s in range(start + 1, total + 1) if s % interval == 0 or s == total]
            assert epoch_ends(start, segments(start, total, interval)) == due


def test_epochs_are_numbered_through_wherever_a_run_was_stopped():
    for total, interval in itertools.product(range(1, 14), range(1, 16)):
        for start in range(total):
            parts = segments(start, total, interval)
            assert parts[0][0] == start // interval
            assert all(one[1] == next_[0] for one, next_ in itertools.pairwise(parts))
            assert parts[-1][1] == -(-total // interval)


def test_as_few_calls_of_fit_as_can_be():
    assert segments(0, 100, 25) == [(0, 4, 25)]
    assert segments(0, 90, 25) == [(0, 3, 25), (3, 4, 15)]
    assert segments(30, 90, 25) == [(1, 2, 20), (2, 3, 25), (3, 4, 15)]
    assert segments(80, 90, 25) == [(3, 4, 10)]
    assert segments(90, 90, 25) == []
    assert segments(95, 90, 25) == []


def test_fit_takes_them_as_meant():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensors((np.ones((1, 1)), np.ones((1, 1)))).repeat()
    ends = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append((epoch, int(model.optimizer.iterations)))
    )
    for first, last, steps in segments(0, 7, 3):
        model.fit(
            data,
            initial_epoch=first,
            epochs=last,
            steps_per_epoch=steps,
            callbacks=[note],
            shuffle=False,
            verbose=0,
        )
    assert ends == [(0, 3), (1, 6), (2, 7)]
