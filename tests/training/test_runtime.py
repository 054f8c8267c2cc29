"""Seeds, precision and strategy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.training.runtime import PRECISIONS, prepare
from tests.small_method import batch, compiled


def weights() -> np.ndarray:
    layer = keras.layers.Dense(5)
    layer.build((None, 4))
    return layer.kernel.numpy()


def test_the_seed_decides_the_initial_weights():
    prepare(seed=3)
    first = weights()
    prepare(seed=3)
    np.testing.assert_array_equal(weights(), first)
    assert not np.array_equal(weights(), first)  # the second layer has numbers of its own
    prepare(seed=4)
    assert not np.array_equal(weights(), first)


@pytest.mark.parametrize(
    ("precision", "compute"),
    [("float32", "float32"), ("mixed_bfloat16", "bfloat16"), ("mixed_float16", "float16")],
)
def test_towers_compute_in_the_precision_and_all_else_in_float32(precision, compute):
    assert precision in PRECISIONS
    prepare(precision=precision)
    method = compiled([ImageText()])
    features = method.call(batch(), training=True)  # as in a training step
    for one in (*features.images[0], features.texts[0].embedding, features.texts[0].tokens):
        assert one.dtype == compute
    assert features.scale.dtype == "float32"
    assert {v.dtype for v in method.trainable_variables} == {"float32"}
    assert method.objectives[0](features).dtype == "float32"


def test_an_unknown_precision_is_refused_with_those_there_are():
    before = keras.config.dtype_policy().name
    with pytest.raises(ValueError, match="'fp8' is none of float32, mixed_bfloat16, mixed_float"):
        prepare(precision="fp8")
    assert keras.config.dtype_policy().name == before


def test_the_strategy_is_the_one_in_scope(two_replicas):
    assert prepare() is tf.distribute.get_strategy()
    assert prepare().num_replicas_in_sync == 1
    with two_replicas.scope():
        assert prepare() is two_replicas
