"""The heads against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.objectives.heads import Linear, Perceptron
from tests.objectives import reference
from tests.objectives.samples import assert_close, perceptron_weights


def test_linear_starts_as_in_pytorch():
    layer = Linear(300, name="linear")
    layer.build((None, 64))
    for weight in (layer.kernel, layer.bias):
        size = np.abs(weight.numpy())
        assert size.max() <= 1 / 8
        np.testing.assert_allclose(size.mean(), 1 / 16, rtol=0.1)


@pytest.mark.parametrize("last_norm", [True, False])
def test_perceptron_normalises_over_the_batch_in_training(last_norm):
    layer = Perceptron((5, 4, 3), last_norm=last_norm, synchronized=True, name="head")
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    ours = layer(x, training=True)
    assert len(layer.norms) == 2 + last_norm
    assert_close([ours], [reference.perceptron(x, *perceptron_weights(layer))])


def test_running_statistics_follow_with_momentum_0_9_and_serve_evaluation():
    layer = Perceptron((3, 2), last_norm=False, synchronized=True, name="head")
    x = tf.random.stateless_normal([6, 4], seed=[0, 1])
    layer(x, training=True)
    inner = layer.linears[0](x).numpy()
    norm = layer.norms[0]
    assert_close([norm.moving_mean.numpy()], [0.1 * inner.mean(axis=0)])
    assert_close([norm.moving_variance.numpy()], [0.9 + 0.1 * inner.var(axis=0)])
    assert_close([layer(x)[:2]], [layer(x[:2])])


def test_no_widths_are_refused():
    with pytest.raises(ValueError, match="at least one width"):
        Perceptron((), last_norm=True, synchronized=True, name="head")
