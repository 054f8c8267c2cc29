from types import SimpleNamespace

import pytest
import tensorflow as tf

from clipbench_tf.callbacks.every_steps import EverySteps, global_step


class Recorder(EverySteps):
    def __init__(self, every, total_steps):
        super().__init__(every, total_steps)
        self.acted = []

    def act(self, step, logs):
        self.acted.append((step, logs.get("loss")))


def run(callback, start, stop, stride):
    """Steps from `start` to `stop`, `stride` of them in one execution, as Keras would call."""
    iterations = tf.Variable(start, dtype=tf.int64)
    callback.set_model(SimpleNamespace(optimizer=SimpleNamespace(iterations=iterations)))
    callback.on_train_begin()
    while int(iterations) < stop:
        iterations.assign_add(stride)
        # Keras's own counter starts anew in each epoch and process: it must not matter.
        callback.on_train_batch_end(0, {"loss": int(iterations) / 10})
    callback.on_train_end({"loss": -1.0})
    return [step for step, _ in callback.acted]


def test_global_step_is_the_optimizers():
    model = SimpleNamespace(optimizer=SimpleNamespace(iterations=tf.Variable(7, dtype=tf.int64)))
    assert global_step(model) == 7


def test_acts_at_multiples_and_at_the_last_step():
    assert run(Recorder(3, 10), 0, 10, 1) == [3, 6, 9, 10]


def test_a_last_step_that_is_a_multiple_is_taken_once():
    assert run(Recorder(5, 10), 0, 10, 1) == [5, 10]


def test_resumed_run_acts_where_the_uninterrupted_one_would():
    assert run(Recorder(3, 10), 4, 10, 1) == [6, 9, 10]


def test_does_not_act_where_a_fit_ends_before_the_run_does():
    recorder = Recorder(3, 10)
    assert run(recorder, 0, 5, 1) == [3]
    assert run(recorder, 5, 10, 1) == [3, 6, 9, 10]


def test_several_steps_per_execution():
    assert run(Recorder(3, 10), 0, 10, 2) == [4, 6, 10]
    assert run(Recorder(1, 9), 0, 10, 5) == [5, 10]


def test_receives_the_scalars_of_that_step():
    recorder = Recorder(4, 8)
    run(recorder, 0, 8, 1)
    assert recorder.acted == [(4, 0.4), (8, 0.8)]


def test_refuses_an_interval_of_nothing():
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        Recorder(0, 10)
