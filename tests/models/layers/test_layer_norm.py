"""Layer norm in training and otherwise against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.models.layers.layer_norm import LayerNorm


def by_hand(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """In float64."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta


def slope(of, x: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """The gradient of sum(of(x) * upstream) by differences."""
    found, step = np.zeros_like(x), 1e-5
    for place in np.ndindex(x.shape):
        moved = x.copy()
        moved[place] += step
        up = (of(moved) * upstream).sum()
        moved[place] -= 2 * step
        found[place] = (up - (of(moved) * upstream).sum()) / (2 * step)
    return found


@pytest.fixture
def layer() -> LayerNorm:
    made = LayerNorm(epsilon=1e-5, name="norm")
    made.build((None, 6))
    random = np.random.default_rng(0)
    made.set_weights([random.normal(size=6) for _ in range(2)])
    return made


@pytest.mark.parametrize(
    ("shape", "graph", "training"),
    [
        ((3, 6), False, False),
        ((3, 6), False, True),
        ((2, 5, 6), True, False),
        ((2, 5, 6), True, True),
        ((1, 1, 6), True, True),
    ],
)
def test_value_and_gradients(layer, shape, graph, training):
    random = np.random.default_rng(1)
    x, upstream = 2 + 3 * random.normal(size=shape), random.normal(size=shape)
    weights = [v.value for v in (layer.gamma, layer.beta)]

    def run(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
        gradients = tape.gradient(y, [x, *weights], tf.constant(upstream, tf.float32))
        return [y, *gradients]

    found = (tf.function(run, autograph=False) if graph else run)(tf.constant(x, tf.float32))
    gamma, beta = (w.numpy().astype(np.float64) for w in weights)
    expected = [
        by_hand(x, gamma, beta),
        slope(lambda v: by_hand(v, gamma, beta), x, upstream),
        slope(lambda v: by_hand(x, v, beta), gamma, upstream),
        slope(lambda v: by_hand(x, gamma, v), beta, upstream),
    ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.bfloat16
def test_bfloat16_is_computed_in_float32_and_rounded_once():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = LayerNorm(epsilon=1e-5, name="norm")
    x = tf.cast(np.random.default_rng(0).normal(size=(7, 64)) + 100, tf.bfloat16)
    y = layer(x, training=True)
    expected = by_hand(tf.cast(x, tf.float64).numpy(), np.ones(64), np.zeros(64))
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, rtol=2**-8, atol=1e-6)
