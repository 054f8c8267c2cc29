"""The dense layer, and the gradient of its bias in bfloat16, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import hardware
from clipbench_tf.models.layers.dense import Dense

RNG = np.random.default_rng(0)


def run(x: np.ndarray, upstream: np.ndarray, dtype: str, **arguments):
    keras.config.set_dtype_policy(f"mixed_{dtype}" if dtype != "float32" else dtype)
    layer = Dense(upstream.shape[-1], bias_initializer="glorot_uniform", **arguments)
    x = tf.constant(x, dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(value, tf.float32) * upstream)
    weights = [layer.kernel, layer.bias]
    found = tape.gradient(loss, [x, *(w.value for w in weights)])
    return value, [w.numpy() for w in weights], found


@pytest.mark.parametrize(
    ("dtype", "rtol"),
    [("float32", 1e-5), pytest.param("bfloat16", 2e-2, marks=pytest.mark.bfloat16)],
)
@pytest.mark.parametrize("shape", [(3,), (2, 5)])
def test_value_and_gradients(dtype, rtol, shape):
    x = RNG.normal(size=(*shape, 6)).astype(np.float32)
    upstream = RNG.normal(size=(*shape, 4)).astype(np.float32)
    value, (kernel, bias), found = run(x, upstream, dtype)
    assert value.dtype == dtype
    rows, out = x.reshape(-1, 6), upstream.reshape(-1, 4)
    expected = [upstream @ kernel.T, rows.T @ out, out.sum(0)]
    np.testing.assert_allclose(tf.cast(value, tf.float32), x @ kernel + bias, rtol=rtol, atol=0.05)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(tf.cast(one, tf.float32), other, rtol=rtol, atol=5 * rtol)


@pytest.mark.bfloat16
def test_in_bfloat16_the_gradient_of_the_bias_is_rounded_once():
    upstream = tf.cast(RNG.normal(size=(2000, 64)), tf.bfloat16).numpy().astype(np.float32)
    *_, (_, _, found) = run(np.zeros([2000, 8], np.float32), upstream, "bfloat16")
    np.testing.assert_allclose(found, upstream.sum(0, dtype=float), rtol=2**-8, atol=1e-3)


@pytest.mark.bfloat16
def test_the_activation_follows_the_bias():
    x, upstream = np.zeros([2, 3], np.float32), np.ones([2, 4], np.float32)
    value, (_, bias), found = run(x, upstream, "bfloat16", activation="relu")
    rounded = tf.cast(bias, tf.bfloat16).numpy().astype(np.float32)
    np.testing.assert_array_equal(tf.cast(value, tf.float32), np.maximum([rounded] * 2, 0))
    np.testing.assert_array_equal(found[2], 2.0 * (bias > 0))


@pytest.mark.bfloat16
def test_without_a_bias():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = Dense(3, use_bias=False)
    x = np.eye(2, dtype=np.float32)
    np.testing.assert_array_equal(layer(x, training=True), tf.cast(layer.kernel, tf.bfloat16))


@pytest.mark.bfloat16
def test_elsewhere_it_is_keras_s(monkeypatch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = Dense(4)
    layer.build([None, 3])
    spec = tf.TensorSpec([2, 3], tf.bfloat16)

    def operations(training: bool) -> set[str]:
        graph = tf.function(lambda x: layer(x, training=training)).get_concrete_function(spec).graph
        return {op.type for op in graph.get_operations()}

    assert "IdentityN" in operations(True)  # of a gradient of its own
    assert "IdentityN" not in operations(False)
    monkeypatch.setattr(hardware, "on_gpu", lambda: True)
    assert "IdentityN" not in operations(True)
