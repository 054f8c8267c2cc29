"""Colour operations against NumPy, the standard library's colorsys, and Pillow."""

import colorsys
import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageFilter

from clipbench_tf.data.images import color_ops

PLANES = np.random.default_rng(0).integers(0, 256, [3, 12, 10]).astype(np.float32)
EXTREMES = np.float32(list(itertools.product([0, 1, 128, 255], repeat=3))).T.reshape(3, 8, 8)


def reference_grey(x):
    return np.tensordot([0.299, 0.587, 0.114], x, 1)


def blend(x, other, factor):
    return np.clip(factor * x + (1 - factor) * other, 0, 255)


def reference_hue(x, turn):
    def turned(pixel):
        h, s, v = colorsys.rgb_to_hsv(*pixel / 255)
        return np.array(colorsys.hsv_to_rgb((h + turn) % 1, s, v)) * 255

    return np.apply_along_axis(turned, 0, x.astype(np.float64))


REFERENCES = [
    lambda x, f: blend(x, 0, f),
    lambda x, f: blend(x, reference_grey(x).mean(), f),
    lambda x, f: blend(x, reference_grey(x), f),
    reference_hue,
]
OPERATIONS = [
    color_ops.brightness,
    color_ops.contrast,
    color_ops.saturation,
    color_ops.hue,
]


@pytest.mark.parametrize("planes", [PLANES, EXTREMES], ids=["noise", "extremes"])
@pytest.mark.parametrize("which", range(4), ids=["brightness", "contrast", "saturation", "hue"])
def test_each_operation(which, planes):
    for factor in [-0.1, -0.03, 0.0, 0.07, 0.1] if which == 3 else [0.6, 1.0, 1.4]:
        result = OPERATIONS[which](planes, tf.constant(factor))
        expected = REFERENCES[which](planes, factor)
        np.testing.assert_allclose(result, expected, atol=2e-3, err_msg=str(factor))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_jitter_in_every_order(order):
    factors = np.float32([1.35, 0.7, 1.3, -0.08])
    expected = PLANES
    for which in order:
        expected = REFERENCES[which](expected, factors[which])
    result = color_ops.jitter(tf.constant(PLANES), tf.constant(order), tf.constant(factors))
    np.testing.assert_allclose(result, expected, atol=5e-3)


def test_orders_differ():
    factors = tf.constant([1.4, 0.6, 1.4, 0.1])
    results = {
        color_ops.jitter(tf.constant(PLANES), tf.constant(order), factors).numpy().tobytes()
        for order in itertools.permutations(range(4))
    }
    assert len(results) == 24


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_blur_is_a_gaussian(sigma):
    radius = 6
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    expected = PLANES
    for axis in (1, 2):
        width = [(radius, radius) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(expected, width, "reflect")
        expected = np.apply_along_axis(np.convolve, axis, padded, taps, "valid")
    result = color_ops.blur(tf.constant(PLANES), tf.constant(sigma, tf.float32), radius)
    np.testing.assert_allclose(result, expected, atol=1e-3)


def test_blur_is_near_pillows():
    picture = np.random.default_rng(1).integers(0, 256, [64, 64], np.uint8)
    for sigma in (0.5, 1.0, 2.0):
        expected = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma))
        planes = tf.cast(tf.tile(picture[None], [3, 1, 1]), tf.float32)
        result = color_ops.blur(planes, tf.constant(sigma, tf.float32), 6)[0].numpy()
        inner = np.s_[8:-8, 8:-8]  # Pillow repeats the edge where we reflect
        difference = np.abs(result - np.asarray(expected, np.float32))[inner]
        assert difference.mean() < 2.5, sigma


def test_the_hue_of_grey_stays():
    grey = np.float32([0, 1, 127, 255]).reshape(1, 2, 2).repeat(3, axis=0)
    np.testing.assert_array_equal(color_ops.hue(grey, tf.constant(0.1)), grey)
