"""The kernel's gradient by products, against TensorFlow's own convolution gradients and NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import hardware
from clipbench_tf.models.layers import convolution
from clipbench_tf.models.layers.convolution import Convolution

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def value_and_gradients(convolve, x, kernel, outer):
    x, kernel = tf.constant(x), tf.constant(kernel)
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        value = convolve(x, kernel)
        loss = tf.reduce_sum(value * outer)
    return [value.numpy(), *(g.numpy() for g in tape.gradient(loss, [x, kernel]))]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 7), (3, 7, 7)])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_value_and_gradients_are_those_of_tensorflow(shape, size):
    x, kernel, outer = normal(*shape, 4), normal(size, size, 4, 6), normal(*shape, 6)
    ours = value_and_gradients(convolution._convolved, x, kernel, outer)
    theirs = value_and_gradients(
        lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"), x, kernel, outer
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def kernel_gradient(layer, x, outer) -> np.ndarray:
    with tf.GradientTape() as tape:
        value = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(value, tf.float32) * outer)
    return tape.gradient(loss, layer.kernel.value).numpy()


@pytest.mark.bfloat16
@pytest.mark.parametrize("size", [1, 3])
def test_in_bfloat16_a_small_map_takes_products_that_round_once(size, monkeypatch):
    monkeypatch.setattr(hardware, "cpu_bfloat16", lambda: "avx512_bf16")
    taken = []
    whole = convolution._kernel_gradient
    monkeypatch.setattr(
        convolution, "_kernel_gradient", lambda *args: taken.append(args) or whole(*args)
    )
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = Convolution(5, size, padding="same", use_bias=False)
    monkeypatch.setattr(convolution, "_WEIGHTS", 8 * 5)
    x = tf.cast(normal(3, 7, 7, 8), tf.bfloat16)
    outer = tf.cast(normal(3, 7, 7, 5), tf.bfloat16)
    found = kernel_gradient(layer, x, tf.cast(outer, tf.float32))
    assert len(taken) == 1
    assert found.dtype == np.float32
    margin = (size - 1) // 2
    padded = np.pad(x.numpy().astype(np.float64), [(0, 0), (margin,) * 2, (margin,) * 2, (0, 0)])
    expected = np.stack(
        [
            np.einsum("bhwc,bhwf->cf", padded[:, i : i + 7, j : j + 7], outer.numpy().astype(float))
            for i in range(size)
            for j in range(size)
        ]
    )
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=2**-8, atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "side", "filters", "instructions", "expected"),
    [
        ("bfloat16", 14, 256, "avx512_bf16", True),
        ("bfloat16", 14, 255, "avx512_bf16", False),
        ("bfloat16", 15, 256, "avx512_bf16", False),
        ("bfloat16", None, 256, "avx512_bf16", False),
        ("bfloat16", 14, 256, None, False),
        ("float32", 14, 256, "avx512_bf16", False),
    ],
)
def test_products_are_for_small_maps_with_wide_kernels_where_bfloat16_is_native(
    dtype, side, filters, instructions, expected, monkeypatch
):
    monkeypatch.setattr(hardware, "cpu_bfloat16", lambda: instructions)
    layer = Convolution(filters, 1, padding="same", use_bias=False)
    found = []

    @tf.function(input_signature=[tf.TensorSpec([None, side, side, 256], dtype)])
    def ask(x: tf.Tensor) -> tf.Tensor:
        found.append(layer._by_products(x))
        with hardware.assumed_gpu():
            found.append(layer._by_products(x))
        return x

    ask.get_concrete_function()
    assert found == [expected, False]
