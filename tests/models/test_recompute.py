"""Recomputed activations give the same numbers."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.models.transformer import Transformer


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_outputs_and_gradients_are_those_without(training, graph):
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 5, 8)), tf.float32)
    layer = Transformer(width=8, heads=2, depth=3, causal=True)
    layer(x)

    def run() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = layer(x, training=training)
            loss = tf.reduce_sum(tf.sin(output))
        weights = [v.value for v in layer.trainable_variables]
        return [output, *tape.gradient(loss, [x, *weights])]

    found = []
    for recompute in (False, True):
        layer.recompute = recompute
        found.append([t.numpy() for t in (tf.function(run, autograph=False) if graph else run)()])
    assert len(found[0]) == 2 + 3 * 12
    for plain, recomputed in zip(*found, strict=True):
        np.testing.assert_allclose(recomputed, plain, rtol=1e-5, atol=1e-6)
