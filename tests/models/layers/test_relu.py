"""ReLU of a sum, and its gradient, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import hardware
from clipbench_tf.models.layers.relu import relu

RNG = np.random.default_rng(0)
SHAPE = (2, 3, 5, 4)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.bfloat16)])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_value_and_gradients(count, dtype, training, graph):
    # Multiples of 1/8, with many sums of 0, are exact in bfloat16.
    terms = [tf.constant(RNG.integers(-3, 4, SHAPE) / 8, dtype) for _ in range(count)]
    upstream = tf.constant(RNG.integers(1, 9, SHAPE) / 8, dtype)

    def run() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(terms)
            value = relu(*terms, training=training)
        return value, tape.gradient(value, terms, upstream)

    value, gradients = (tf.function(run) if graph else run)()
    total = sum(term.numpy().astype(float) for term in terms)
    assert value.dtype == dtype
    np.testing.assert_array_equal(tf.cast(value, tf.float64), np.maximum(total, 0))
    assert len(gradients) == count
    for gradient in gradients:
        assert gradient.dtype == dtype
        np.testing.assert_array_equal(
            tf.cast(gradient, tf.float64), np.where(total > 0, upstream.numpy().astype(float), 0)
        )


@pytest.mark.parametrize(
    ("dtype", "training", "gpu", "compiled"),
    [
        ("bfloat16", True, False, True),
        ("bfloat16", True, True, False),
        ("bfloat16", False, False, False),
        ("float32", True, False, False),
    ],
)
def test_it_is_compiled_where_bfloat16_trains_on_a_cpu(dtype, training, gpu, compiled, monkeypatch):
    monkeypatch.setattr(hardware, "on_gpu", lambda: gpu)

    @tf.function
    def run(x: tf.Tensor) -> tf.Tensor:
        return relu(x, x, training=training)

    graph = run.get_concrete_function(tf.TensorSpec(SHAPE, dtype)).graph
    functions = {op.type for op in graph.get_operations()}
    assert ("PartitionedCall" in functions) is compiled
    assert ("Relu" in functions) is not compiled
