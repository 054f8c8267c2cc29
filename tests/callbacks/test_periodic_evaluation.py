from types import SimpleNamespace

import pytest
import tensorflow as tf

from clipbench_tf.callbacks.periodic_evaluation import SHARE, PeriodicEvaluation


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


class Run:
    """A run on a clock of its own, evaluated after each step."""

    def __init__(self, total, seconds, share, *observers):
        self.now, self.iterations = 50.0, tf.Variable(0, dtype=tf.int64)
        self.results, self.observed = Sink(), Sink()
        self.callback = PeriodicEvaluation(
            1,
            total,
            self.evaluator("zero_shot", seconds),
            [self.results],
            observers=[self.observer(name, times) for name, times in observers],
            observer_logs=[self.observed],
            share=share,
            clock=lambda: self.now,
        )
        optimizer = SimpleNamespace(iterations=self.iterations)
        self.callback.set_model(SimpleNamespace(optimizer=optimizer))

    def evaluator(self, name, seconds):
        times = [seconds] if isinstance(seconds, float) else list(seconds)

        def run():
            self.now += times.pop(0) if len(times) > 1 else times[0]
            yield name, 1.0

        return run

    def observer(self, name, times):
        times = list(times)

        def observe(step):
            self.now += times.pop(0) if len(times) > 1 else times[0]
            yield name, float(step)

        return observe

    def train(self, steps, seconds):
        self.callback.on_train_begin()
        for _ in range(steps):
            self.now += seconds
            self.iterations.assign_add(1)
            self.callback.on_train_batch_end(0, {})

    def steps_of(self, name):
        return [step for step, values in self.observed.written if name in values]


def test_an_observer_waits_until_it_fits_into_the_share_of_the_time():
    run = Run(100, 0.1, 0.05, ("retrieval", [2.0, 0.5]))
    run.train(12, 10.0)
    # At first it is taken for 0.1 s, of 10.2 s; then 2.1 s have gone, and with 0.1 s a step and
    # 0.5 s more for it, they are under 5% of the time from step 6 on.
    spent, expected, seconds, began = 0.0, 0.1, [2.0] + [0.5] * 20, 50.0
    steps, now = [], began
    for step in range(1, 13):
        now, spent = now + 10.1, spent + 0.1
        if (spent + expected) / (now - began + expected) <= 0.05:
            took = seconds.pop(0)
            now, spent, expected = now + took, spent + took, took
            steps.append(step)
    assert run.steps_of("retrieval") == steps
    assert steps[0] == 1 and len(steps) < 12
    assert [step for step, _ in run.results.written] == list(range(1, 13))
    assert run.observed.written[-1][1][SHARE] == pytest.approx(spent / (now - began))
    assert spent / (now - began) <= 0.05


def test_before_its_first_time_an_observer_is_taken_for_as_dear_as_the_first_evaluation():
    run = Run(100, [3.0, 0.1], 0.05, ("retrieval", [2.0, 0.1]))
    run.train(20, 10.0)
    # At step n, 3 + 0.1 (n - 1) s have gone, and 3 s more are 5% of 10 n s, of these and of those
    # from n = 13.8 on.
    assert run.steps_of("retrieval")[0] == 14


def test_observers_take_turns_so_that_a_dear_one_is_not_passed_over_for_ever():
    run = Run(1000, 0.01, 0.05, ("cheap", [0.2]), ("dear", [3.0]))
    run.train(200, 1.0)
    cheap, dear = run.steps_of("cheap"), run.steps_of("dear")
    assert abs(len(cheap) - len(dear)) <= 1 and len(dear) >= 2
    assert run.observed.written[-1][1][SHARE] <= 0.051


def test_at_the_last_step_an_observer_that_ran_before_waits_and_holds_up_no_other():
    run = Run(2, 0.1, 0.05, ("dear", [3.0]), ("cheap", [0.2]))
    run.train(1, 100.0)
    assert run.steps_of("dear") == run.steps_of("cheap") == [1]
    run.train(1, 1.0)  # 3.4 of 104.4 s: 3 s more are beyond 5%, 0.2 s are not
    assert run.steps_of("dear") == [1] and run.steps_of("cheap") == [1, 2]


def test_results_are_there_at_each_interval_and_at_the_last_step_all_run_that_never_did():
    run = Run(3, 5.0, 0.05, ("retrieval", [4.0]), ("neighbours", [6.0]))
    run.train(3, 1.0)
    assert run.steps_of("retrieval") == run.steps_of("neighbours") == [3]
    assert run.results.written == [(step, {"zero_shot": 1.0}) for step in (1, 2, 3)]
    shares = [values[SHARE] for _, values in run.observed.written]
    assert shares == pytest.approx([5 / 6, 10 / 12, 25 / 28])


def test_what_is_evaluated_before_training_counts_from_its_own_start():
    run = Run(4, 10.0, 0.05, ("retrieval", [30.0]))
    run.now = 50_000.0  # of a machine that has been on for long
    run.callback.act(0, {})
    assert run.steps_of("retrieval") == []
    assert run.observed.written == [(0, {SHARE: 1.0})]
    run.train(1, 90.0)
    assert run.observed.written[-1][1][SHARE] == pytest.approx(20 / 110)


def test_several_fits_are_one_run_and_a_resumed_run_keeps_the_share_of_its_own_time():
    run = Run(100, 0.1, 0.05, ("retrieval", [0.2]))
    run.train(2, 10.0)
    run.train(2, 10.0)
    spent = 4 * 0.1 + 4 * 0.2
    assert run.observed.written[-1][1][SHARE] == pytest.approx(spent / (spent + 40))
    resumed = Run(100, 1.0, 0.05, ("retrieval", [0.5]))
    resumed.iterations.assign(90)
    resumed.train(5, 10.0)
    assert resumed.steps_of("retrieval") == []


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=r"must be in 0\.\.1"):
        Run(1, 1.0, share)
