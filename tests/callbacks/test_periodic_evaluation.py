from types import SimpleNamespace

import tensorflow as tf

from clipbench_tf.callbacks.periodic_evaluation import PeriodicEvaluation


class Sink:
    def __init__(self):
        self.written = []

    def write(self, step, values):
        self.written.append((step, values))


def test_hands_all_results_to_all_logs_at_intervals_and_at_the_last_step():
    iterations = tf.Variable(0, dtype=tf.int64)
    sinks = [Sink(), Sink()]

    def run():
        yield "zero_shot/test/top1", tf.constant(0.25) * float(iterations)
        yield "zero_shot/test/top5", 0.5

    callback = PeriodicEvaluation(2, 5, run, sinks)
    callback.set_model(SimpleNamespace(optimizer=SimpleNamespace(iterations=iterations)))
    callback.on_train_begin()
    for _ in range(5):
        iterations.assign_add(1)
        callback.on_train_batch_end(0, {"loss": 1.0})
    callback.on_train_end()
    expected = [
        (step, {"zero_shot/test/top1": 0.25 * step, "zero_shot/test/top5": 0.5})
        for step in (2, 4, 5)
    ]
    assert [sink.written for sink in sinks] == [expected, expected]
