"""The learning rate by step, against the formula of section 4.1 in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.optimization.schedule import WarmupCosine


def by_hand(step: int, *, warmup: int, total: int) -> float:
    if step < warmup:
        return 1e-4 + (1e-3 - 1e-4) * step / warmup
    done = min((step - warmup) / (total - warmup), 1)
    return 1e-3 * (1 + np.cos(np.pi * done)) / 2


def schedule(warmup: int, total: int) -> WarmupCosine:
    return WarmupCosine(peak=1e-3, start=1e-4, warmup_steps=warmup, total_steps=total)


@pytest.mark.parametrize(("warmup", "total"), [(0, 1), (0, 10), (1, 2), (7, 50), (99, 100)])
def test_equals_the_formula_at_each_step(warmup, total):
    rate = schedule(warmup, total)
    steps = range(total + 3)
    expected = [by_hand(step, warmup=warmup, total=total) for step in steps]
    np.testing.assert_allclose([rate(step) for step in steps], expected, rtol=1e-5, atol=1e-10)
    np.testing.assert_allclose(rate(tf.constant(steps, tf.int64)), expected, rtol=1e-5, atol=1e-10)


def test_its_corners():
    rate = schedule(100, 1100)
    steps = {0: 1e-4, 50: 5.5e-4, 100: 1e-3, 350: 8.535534e-4, 600: 5e-4, 1100: 0, 5000: 0}
    for step, value in steps.items():
        np.testing.assert_allclose(rate(step), value, rtol=1e-5, atol=1e-10, err_msg=str(step))
    assert float(rate(99)) < float(rate(100)) > float(rate(101))


def test_the_papers_length_is_not_too_long_for_float32():
    rate = schedule(3757, 120_225)
    for step in (3756, 3757, 60_000, 120_000, 120_224):
        expected = by_hand(step, warmup=3757, total=120_225)
        np.testing.assert_allclose(rate(step), expected, rtol=1e-4, atol=1e-10)


def test_graph_equals_eager():
    rate = schedule(3, 9)
    compiled = tf.function(rate)
    for step in range(10):
        np.testing.assert_allclose(compiled(tf.constant(step)), rate(step), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(("warmup", "total"), [(10, 10), (11, 10), (-1, 10), (0, 0)])
def test_refuses_a_warmup_that_is_not_shorter_than_the_run(warmup, total):
    with pytest.raises(ValueError, match=f"warmup_steps {warmup} .* {total} steps; shorten"):
        schedule(warmup, total)


def test_config_repeats_it():
    serialize = keras.optimizers.schedules.serialize
    config = serialize(schedule(3, 9))
    again = keras.optimizers.schedules.deserialize(config)
    assert serialize(again) == config
    assert [float(again(s)) for s in range(9)] == [float(schedule(3, 9)(s)) for s in range(9)]
