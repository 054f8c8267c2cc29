"""CLIP's activation and its gradient against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.models.transformer import quick_gelu

POINTS = np.linspace(-6, 6, 61).reshape(1, 61, 1)


def by_hand(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-1.702 * x))


@pytest.mark.parametrize(
    ("dtype", "atol"),
    [("float32", 1e-6), pytest.param("bfloat16", 3e-2, marks=pytest.mark.bfloat16)],
)
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_value_and_gradient(dtype, atol, graph):
    x = tf.constant(POINTS, dtype)
    upstream = tf.constant(np.cos(POINTS), dtype)

    def run() -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = quick_gelu(x)
        return y, tape.gradient(y, x, upstream)

    value, gradient = (tf.function(run) if graph else run)()
    slope = (by_hand(POINTS + 1e-5) - by_hand(POINTS - 1e-5)) / 2e-5
    assert value.dtype == gradient.dtype == dtype
    np.testing.assert_allclose(tf.cast(value, tf.float32), by_hand(POINTS), atol=atol)
    np.testing.assert_allclose(tf.cast(gradient, tf.float32), slope * np.cos(POINTS), atol=atol)
