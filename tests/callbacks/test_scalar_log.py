import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clipbench_tf.callbacks.metrics_log import MetricsLog
from clipbench_tf.callbacks.scalar_log import ScalarLog
from clipbench_tf.callbacks.tensorboard.tensorboard_log import TensorBoardLog
from clipbench_tf.callbacks.throughput import Throughput


class Tiny(keras.Model):
    """One weight; its loss is the number of the step, counted from 1."""

    def build(self, shape):
        self.w = self.add_weight((), "ones")

    def train_step(self, batch):
        self.optimizer.apply_gradients([(tf.constant(0.0), self.w)])
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        return {"loss": step, "loss/image_text": 2 * step, "temperature": tf.constant(0.07)}


class Written(ScalarLog):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.written = {}

    def write(self, step, values):
        assert step not in self.written
        self.written[step] = dict(values)


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.5 ** tf.cast(step, tf.float32)


@pytest.fixture
def model():
    model = Tiny()
    model.build(())
    model.compile(optimizer=keras.optimizers.SGD(Halving()), steps_per_execution=2)
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model, steps, callbacks):
    data = tf.data.Dataset.from_tensors(0).repeat()
    model.fit(data, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=callbacks)


def test_logs_the_step_its_epoch_and_everything_the_step_returns(model):
    throughput = Throughput(32)
    log = Written(every=4, total_steps=10, throughput=throughput, steps_per_epoch=2.5)
    fit(model, 10, [throughput, log])
    assert list(log.written) == [4, 8, 10]
    values = log.written[8]
    assert values.pop("pairs_per_second") > 0
    assert values == {
        "epoch": 3.2,
        "loss": 8.0,
        "loss/image_text": 16.0,
        "temperature": pytest.approx(0.07),
        "learning_rate": 0.5**8,
    }
    assert all(type(value) is float for value in values.values())


def test_a_resumed_run_goes_on_where_it_was(model):
    model.optimizer.iterations.assign(6)
    logs = [Written(every=4, total_steps=10, steps_per_epoch=2.5) for _ in range(2)]
    fit(model, 4, logs)
    for log in logs:
        assert list(log.written) == [8, 10]
        np.testing.assert_allclose(log.written[10]["epoch"], 4.0)


def test_speed_is_left_out_until_it_is_known(model):
    throughput = Throughput(32)
    log = Written(every=2, total_steps=4, throughput=throughput)
    fit(model, 4, [throughput, log])
    assert "pairs_per_second" not in log.written[2]
    assert log.written[4]["pairs_per_second"] > 0


def test_what_nobody_tells_is_left_out(model):
    log = Written(every=4)
    fit(model, 10, [log])
    assert list(log.written) == [4, 8]
    assert set(log.written[8]) == {"loss", "loss/image_text", "temperature", "learning_rate"}


def test_both_logs_are_callbacks_of_any_fit(model, tmp_path):
    metrics = MetricsLog(tmp_path / "metrics.jsonl", every=4)
    fit(model, 8, [metrics, TensorBoardLog(tmp_path / "events", every=4)])
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [4.0, 8.0]
    events = EventAccumulator(str(tmp_path / "events"), size_guidance={"tensors": 0}).Reload()
    assert [event.step for event in events.Tensors("loss")] == [4, 8]
