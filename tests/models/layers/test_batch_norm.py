"""Batch norm against NumPy and against Keras's own operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.models.layers.batch_norm import BatchNorm

RNG = np.random.default_rng(0)
MAPS = (3.0 + 2.0 * RNG.normal(size=(4, 3, 5, 6))).astype("float32")
OUTER = RNG.normal(size=MAPS.shape).astype("float32")


def layer(kind, **arguments):
    built = kind(**arguments)
    built.build(MAPS.shape)
    built.gamma.assign(np.linspace(0.5, 2.0, 6))
    built.beta.assign(np.linspace(-1.0, 1.0, 6))
    return built


def gradients(norm, x=MAPS) -> list[np.ndarray]:
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.cast(norm(x, training=True), tf.float32) * OUTER)
    return [g.numpy() for g in tape.gradient(loss, [x, norm.gamma.value, norm.beta.value])]


def test_training_normalises_and_follows_with_momentum_0_9():
    norm = layer(BatchNorm, synchronized=True, name="norm")
    output = norm(MAPS, training=True)
    mean, variance = MAPS.mean((0, 1, 2)), MAPS.var((0, 1, 2))
    unit = (MAPS - mean) / np.sqrt(variance + 1e-5)
    expected = unit * norm.gamma.numpy() + norm.beta.numpy()
    np.testing.assert_allclose(output, expected, atol=1e-5)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, 0.9 + 0.1 * variance, rtol=1e-5)


def test_evaluation_uses_the_running_statistics():
    norm = layer(BatchNorm, synchronized=True, name="norm")
    norm.moving_mean.assign(np.full(6, 2.0))
    norm.moving_variance.assign(np.full(6, 4.0))
    expected = (MAPS - 2) / np.sqrt(4 + 1e-5) * norm.gamma.numpy() + norm.beta.numpy()
    np.testing.assert_allclose(norm(MAPS), expected, atol=1e-5)
    np.testing.assert_array_equal(norm.moving_mean, np.full(6, 2.0))


def test_gradients_are_those_of_keras():
    ours = gradients(layer(BatchNorm, synchronized=False, name="norm"))
    theirs = gradients(layer(keras.layers.BatchNormalization, momentum=0.9, epsilon=1e-5))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    "precision", [pytest.param("bfloat16", marks=pytest.mark.bfloat16), "float16"]
)
def test_low_precision_goes_in_and_out_and_float32_between(precision):
    x = tf.cast(MAPS, precision)
    norm = layer(BatchNorm, synchronized=True, name="norm")
    exact = norm(tf.cast(x, tf.float32), training=True)
    norm.dtype_policy = keras.DTypePolicy(f"mixed_{precision}")
    output = norm(x, training=True)
    assert output.dtype == precision
    np.testing.assert_array_equal(output, tf.cast(exact, precision))
    ours, theirs = gradients(norm, x), gradients(norm, tf.cast(x, tf.float32))
    np.testing.assert_allclose(ours[0], tf.cast(theirs[0], precision), rtol=2**-6, atol=1e-4)
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-2)


@pytest.mark.bfloat16
@pytest.mark.parametrize(("channels", "kernel"), [(16, "bfloat16"), (24, "float32")])
def test_the_kernel_casts_bfloat16_itself_with_channels_in_16s(channels, kernel):
    maps = tf.cast(3.0 + 2.0 * RNG.normal(size=(4, 3, 5, channels)), tf.bfloat16)
    norm = BatchNorm(synchronized=True, name="norm")
    norm.build(maps.shape)

    def run(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = norm(x, training=True)
            loss = tf.reduce_sum(tf.square(tf.cast(output, tf.float32) - 1))
        return output, tape.gradient(loss, x)

    exact = run(tf.cast(maps, tf.float32))
    assert exact[0].dtype == tf.float32
    norm.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    graph = tf.function(run).get_concrete_function(maps).graph
    (fused,) = [op for op in graph.get_operations() if op.type == "FusedBatchNormV3"]
    assert fused.get_attr("T") == kernel
    for found, expected in zip(run(maps), exact, strict=True):
        assert found.dtype == tf.bfloat16
        np.testing.assert_allclose(tf.cast(found, tf.float32), expected, rtol=2**-6, atol=0.03)
