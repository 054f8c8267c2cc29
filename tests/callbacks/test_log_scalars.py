import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.callbacks.log_scalars import LogScalars
from clipbench_tf.callbacks.throughput import Throughput


class Tiny(keras.Model):
    """One weight; its loss is the number of the step, counted from 1."""

    def build(self, shape):
        self.w = self.add_weight((), "ones")

    def train_step(self, batch):
        self.optimizer.apply_gradients([(tf.constant(0.0), self.w)])
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        return {"loss": step, "loss/image_text": 2 * step, "temperature": tf.constant(0.07)}


class Sink:
    def __init__(self):
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
    throughput, sink = Throughput(32), Sink()
    log = LogScalars(4, 10, [sink], throughput=throughput, steps_per_epoch=2.5)
    fit(model, 10, [throughput, log])
    assert list(sink.written) == [4, 8, 10]
    values = sink.written[8]
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
    throughput, sinks = Throughput(32), [Sink(), Sink()]
    log = LogScalars(4, 10, sinks, throughput=throughput, steps_per_epoch=2.5)
    fit(model, 4, [throughput, log])
    for sink in sinks:
        assert list(sink.written) == [8, 10]
        np.testing.assert_allclose(sink.written[10]["epoch"], 4.0)


def test_speed_is_left_out_until_it_is_known(model):
    throughput, sink = Throughput(32), Sink()
    fit(
        model,
        4,
        [throughput, LogScalars(2, 4, [sink], throughput=throughput, steps_per_epoch=1.0)],
    )
    assert "pairs_per_second" not in sink.written[2]
    assert sink.written[4]["pairs_per_second"] > 0
