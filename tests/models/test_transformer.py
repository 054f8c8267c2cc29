"""A block without training, whose activation is part of a product, against one in training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.models.transformer import Block
from clipbench_tf.models.vision_transformer import VisionTransformer


@pytest.fixture
def block() -> Block:
    layer = Block(width=8, heads=2, depth=1, causal=True, name="block")
    layer(tf.zeros([1, 1, 8]))
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(size=w.shape) for w in layer.get_weights()])
    return layer


@pytest.fixture
def x() -> tf.Tensor:
    return tf.constant(np.random.default_rng(1).normal(size=(3, 5, 8)), tf.float32)


def by_hand(block: Block, x: np.ndarray) -> np.ndarray:
    """The second half of the block, in NumPy's float64."""
    weights = {w.path.split("block/")[-1]: w.numpy().astype(np.float64) for w in block.weights}
    centred = x - x.mean(-1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    y = y * weights["ln_2/gamma"] + weights["ln_2/beta"]
    z = y @ weights["c_fc/kernel"] + weights["c_fc/bias"]
    z = z / (1 + np.exp(-1.702 * z))
    return x + z @ weights["c_proj/kernel"] + weights["c_proj/bias"]


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_the_mlp_is_that_of_numpy(block, x, graph, training):
    middle = (x + block.attn(block.ln_1(x))).numpy().astype(np.float64)
    run = tf.function(block) if graph else block
    found = run(x, training=training)
    np.testing.assert_allclose(found, by_hand(block, middle), rtol=1e-4, atol=1e-4)


def test_gradients_are_equal_too(block, x):
    def gradients(training: bool) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(block(x, training=training)))
        return tape.gradient(loss, [v.value for v in block.trainable_variables])

    for one, other in zip(gradients(False), gradients(True), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.bfloat16
def test_in_bfloat16_both_are_as_near_to_float32():
    layers = {}
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        layers[policy] = VisionTransformer(
            image_size=32, patch_size=8, width=64, depth=3, heads=4, embed_dim=32
        )
        layers[policy].build([None, 32, 32, 3])
        layers[policy](tf.zeros([1, 32, 32, 3], tf.uint8))
    low = layers["mixed_bfloat16"]
    low.set_weights(layers["float32"].get_weights())
    images = tf.constant(np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3)), tf.uint8)
    exact = layers["float32"](images, training=True).embedding
    for training in (False, True):
        found = tf.cast(low(images, training=training).embedding, tf.float32)
        assert tf.norm(found - exact) < 0.02 * tf.norm(exact)
