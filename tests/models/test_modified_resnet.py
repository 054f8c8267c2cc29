"""The modified ResNet against a PyTorch reference with the same weights and statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.optimization.recipe import decayed
from tests.models.torch_resnet import TorchResNet, array, copy, pairs, peer, pixels

TINY = {"image_size": 64, "depths": (1, 2, 1, 1), "width": 8, "heads": 4, "embed_dim": 12}
RESNET50 = {
    "image_size": 224,
    "depths": (3, 4, 6, 3),
    "width": 64,
    "heads": 32,
    "embed_dim": 1024,
}


def pictures(count: int, size: int) -> np.ndarray:
    """Smooth random colours, as photographs have, with noise on top."""
    random = np.random.default_rng(0)
    coarse = random.integers(40, 216, (count, size // 16, size // 16, 3))
    noise = random.integers(-40, 40, (count, size, size, 3))
    return (coarse.repeat(16, axis=1).repeat(16, axis=2) + noise).astype(np.uint8)


def towers(sizes: dict, images: np.ndarray) -> tuple[ModifiedResNet, TorchResNet]:
    model = peer(sizes, images)
    tower = ModifiedResNet(**sizes)
    tower(images[:1])
    copy(tower, model)
    return tower, model


def relative_error(ours, theirs) -> float:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def assert_same(ours, theirs) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == tuple(other.shape)
        assert relative_error(mine, array(other)) < 1e-4


def test_a_small_tower_equals_pytorch():
    images = pictures(4, 64)
    tower, model = towers(TINY, images)
    with torch.no_grad():
        assert_same(tower(images), model(pixels(images)))


@pytest.mark.slow
def test_resnet50_equals_pytorch_and_has_the_published_parameter_count():
    images = pictures(2, 224)
    tower, model = towers(RESNET50, images)
    ours = tower(images)
    assert ours.tokens.shape == (2, 49, 2048)
    assert ours.pooled.shape == (2, 2048)
    with torch.no_grad():
        assert_same(ours, model(pixels(images)))

    text = TextTransformer(vocabulary_size=49408, embed_dim=1024)
    text(tf.zeros([1, 77], tf.int32))
    temperature = 1
    count = sum(int(np.prod(v.shape)) for v in tower.trainable_variables + text.trainable_variables)
    assert count + temperature == 102_007_137


def test_training_equals_pytorch_in_outputs_gradient_and_running_statistics():
    images = pictures(4, 64)
    tower, model = towers(TINY, images)
    before = [array(norm.running_var) for _, _, _, norm in pairs(tower, model)]
    sizes = {}
    for _, _, _, norm in pairs(tower, model):
        norm.register_forward_pre_hook(
            lambda module, inputs: sizes.update({module: inputs[0][:, 0].numel()})
        )
    model.train()
    theirs = model(pixels(images))
    (theirs[0] ** 2).sum().backward()
    with tf.GradientTape() as tape:
        ours = tower(images, training=True)
        loss = tf.reduce_sum(ours.embedding**2)
    gradient = tape.gradient(loss, tower.conv1.kernel.value)

    assert_same(ours, theirs)
    expected = array(model.stem[0].weight.grad).transpose(2, 3, 1, 0)
    assert relative_error(gradient, expected) < 1e-3
    for (_, norm, _, their), old in zip(pairs(tower, model), before, strict=True):
        assert relative_error(norm.moving_mean, array(their.running_mean)) < 1e-4
        # Both normalise with the biased variance; PyTorch remembers the unbiased one.
        biased = 1 - 1 / sizes[their]
        expected = 0.9 * old + biased * (array(their.running_var) - 0.9 * old)
        assert relative_error(norm.moving_variance, expected) < 1e-4


def test_two_replicas_equal_one(two_replicas):
    images = pictures(4, 64)
    with two_replicas.scope():
        parallel = ModifiedResNet(**TINY)
        parallel(images[:1])
    single = ModifiedResNet(**TINY)
    single(images[:1])
    for ours, value in zip(single.variables, parallel.variables, strict=True):
        ours.assign(value.numpy())

    @tf.function
    def step(shards):
        return two_replicas.run(lambda x: parallel(x, training=True).embedding, args=(shards,))

    shards = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(images, 2)[context.replica_id_in_sync_group])
    )
    joined = tf.concat(two_replicas.experimental_local_results(step(shards)), axis=0)
    assert relative_error(joined, single(images, training=True).embedding) < 1e-4
    for ours, value in zip(
        single.non_trainable_variables, parallel.non_trainable_variables, strict=True
    ):
        assert relative_error(ours, value.numpy()) < 1e-4


def test_starts_as_clip_does():
    tower = ModifiedResNet(**{**TINY, "width": 16})
    tower(pictures(1, 64))
    for block in tower.blocks:
        assert not block.bn3.gamma.numpy().any()
        assert block.bn2.gamma.numpy().all()
    width = tower.width
    for dense in (tower.attnpool.q_proj, tower.attnpool.k_proj, tower.attnpool.v_proj, tower.proj):
        np.testing.assert_allclose(dense.kernel.numpy().std(), width**-0.5, rtol=0.05)
        assert 0 < np.abs(dense.bias.numpy()).max() <= width**-0.5
    kernel = np.abs(tower.blocks[-1].conv2.kernel.numpy())
    bound = (9 * 128) ** -0.5
    assert 0.99 * bound < kernel.max() <= bound


def test_weight_decay_spares_norms_and_biases_only():
    tower = ModifiedResNet(**TINY)
    tower(pictures(1, 64))
    spared = {v.path.split("/")[-1] for v in tower.trainable_variables if not decayed(v)}
    hit = {v.path.split("/")[-1] for v in tower.trainable_variables if decayed(v)}
    assert (spared, hit) == ({"gamma", "beta", "bias"}, {"kernel", "positional_embedding"})


@pytest.mark.bfloat16
def test_bfloat16_stays_near_float32():
    images = pictures(4, 64)
    full, _ = towers(TINY, images)
    keras.config.set_dtype_policy("mixed_bfloat16")
    half, _ = towers(TINY, images)
    for ours, expected in zip(
        half(images, training=True), full(images, training=True), strict=True
    ):
        assert ours.dtype == tf.bfloat16
        assert relative_error(tf.cast(ours, tf.float32), expected) < 0.1


def test_another_image_size_is_refused():
    with pytest.raises(ValueError, match=r"built for images of 64 px, but got \(1, 96, 96, 3\)"):
        ModifiedResNet(**TINY)(tf.zeros([1, 96, 96, 3], tf.uint8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 72}, "image_size 72 is not a multiple of 32"),
        ({"width": 7}, "width 7 is odd"),
        ({"depths": (1, 1, 1)}, "four numbers above 0"),
        ({"depths": (1, 1, 0, 1)}, "four numbers above 0"),
        ({"heads": 3}, "width 256 is not a multiple of heads 3"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ModifiedResNet(**{**TINY, **change})
