"""The optimizer against PyTorch's AdamW, and what it spares from decay."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.optimization.recipe import Recipe, decayed
from tests.method.small_method import compiled
from tests.objectives.samples import OBJECTIVES, features

# What keeps its size in the released code's AdamW: biases, and weights of norms.
SPARED_ENDINGS = ("bias", "gamma", "beta")


def test_adamw_with_its_schedule_equals_torch():
    recipe = Recipe(epochs=2, warmup_epochs=0.5)
    random = np.random.default_rng(0)
    starts = {"kernel": random.normal(size=(5, 3)), "bias": random.normal(size=3)}
    ours = [keras.Variable(value.astype(np.float32), name=name) for name, value in starts.items()]
    theirs = [torch.nn.Parameter(torch.tensor(v.numpy())) for v in ours]
    optimizer = recipe.optimizer(ours, steps_per_epoch=10)
    groups = [
        {"params": theirs[:1], "weight_decay": 0.1},
        {"params": theirs[1:], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-8)
    for step in range(20):
        gradients = [random.normal(size=v.shape).astype(np.float32) for v in ours]
        optimizer.apply_gradients(
            [(tf.constant(g), v) for g, v in zip(gradients, ours, strict=True)]
        )
        rate = 1e-4 + 9e-4 * step / 5
        if step >= 5:
            rate = 1e-3 * (1 + np.cos(np.pi * (step - 5) / 15)) / 2
        for group in reference.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        reference.step()
        for v, parameter, start in zip(ours, theirs, starts.values(), strict=True):
            np.testing.assert_allclose(v.numpy(), parameter.detach().numpy(), rtol=0, atol=1e-6)
            assert np.abs(v.numpy() - start).max() > 1e-5


def text(projection_bias: bool = False) -> TextTransformer:
    return TextTransformer(
        width=4,
        depth=1,
        heads=2,
        vocabulary_size=7,
        context_length=4,
        projection_bias=projection_bias,
    )


TOWERS = {
    "vit": (
        lambda: VisionTransformer(image_size=32, patch_size=16, width=4, depth=1, heads=2),
        tf.zeros([2, 32, 32, 3], tf.uint8),
        {
            "ln_pre": 2,
            "ln_post": 2,
            "transformer": 4 + 4,  # two norms; biases of in_proj, out_proj, c_fc, c_proj
        },
        # class and positional embedding, conv1, proj, and the kernels of the block
        8,
    ),
    "resnet": (
        lambda: ModifiedResNet(image_size=32, width=4, depths=(1, 1, 1, 1), heads=2, embed_dim=4),
        tf.zeros([2, 32, 32, 3], tf.uint8),
        {
            "bn1": 2,
            "bn2": 2,
            "bn3": 2,
            **{f"layer{i}_0": 8 for i in (1, 2, 3, 4)},
            "attnpool": 3,
            "proj": 1,
        },
        # stem, four convolutions a bottleneck, positions, queries, keys, values, proj
        3 + 4 * 4 + 1 + 3 + 1,
    ),
    "text": (
        text,
        tf.zeros([2, 4], tf.int32),
        {"transformer": 8, "ln_final": 2},
        # two embeddings, the kernels of the block, proj
        2 + 4 + 1,
    ),
    "text with the released bias": (
        lambda: text(projection_bias=True),
        tf.zeros([2, 4], tf.int32),
        {"transformer": 8, "ln_final": 2, "proj": 1},
        2 + 4 + 1,
    ),
}


def spared(variables) -> list[str]:
    return [v.path for v in variables if not decayed(v)]


@pytest.mark.parametrize("name", TOWERS)
def test_biases_and_norms_of_a_tower_are_spared_and_nothing_else(name):
    make, sample, expected, kept = TOWERS[name]
    tower = make()
    tower(sample)
    variables = tower.trainable_variables
    counts: dict[str, int] = {}
    for path in spared(variables):
        part = path.split("/")[1]
        counts[part] = counts.get(part, 0) + 1
        assert path.endswith(SPARED_ENDINGS)
    assert counts == expected
    assert len(variables) == sum(expected.values()) + kept
    # A weight of more than one axis is a kernel or an embedding, whatever its name.
    assert all(decayed(v) for v in variables if len(v.shape) > 1)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_biases_norms_and_temperatures_of_an_objective_are_spared(name):
    objective: Objective = OBJECTIVES[name]()
    objective(features(3))
    variables = objective.trainable_variables
    kernels = [v for v in variables if len(v.shape) == 2]
    assert all(decayed(v) for v in kernels)
    others = {v.path.split("/")[-1] for v in variables if len(v.shape) < 2}
    assert others <= {"bias", "gamma", "beta", "logit_scale", "logit_scale_dense"}
    assert len(spared(variables)) == len(variables) - len(kernels)


def test_a_step_of_zero_gradients_shrinks_what_decays_by_its_rate_and_nothing_else():
    method = compiled(recipe=Recipe(epochs=4, weight_decay=0.5))
    variables = method.trainable_variables
    for v in variables:
        v.assign(tf.ones(v.shape))
    method.optimizer.apply_gradients([(tf.zeros(v.shape), v) for v in variables])
    for v in variables:
        spares = v.path.endswith((*SPARED_ENDINGS, "logit_scale"))
        expected = 1.0 if spares else 1.0 - 1e-4 * 0.5
        np.testing.assert_allclose(v.numpy(), expected, rtol=1e-7, err_msg=v.path)
    assert sum(v.path.endswith("logit_scale") for v in variables) == 1


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "steps"),
    [(32, 3757.0, 120_224), (2, 2.25, 4), (0.5, 3.0, 2), (0.01, 3.0, 1), (1, 44.05, 44)],
)
def test_total_steps(epochs, per_epoch, steps):
    assert Recipe(epochs=epochs).total_steps(per_epoch) == steps


def test_the_schedule_is_the_papers_in_epochs():
    schedule = Recipe().schedule(steps_per_epoch=100)
    steps = {0: 1e-4, 100: 1e-3, 1650: 5e-4, 3200: 0.0}
    np.testing.assert_allclose([schedule(s) for s in steps], list(steps.values()), atol=1e-9)


def test_refuses_a_warmup_that_is_not_shorter_than_the_run():
    recipe = Recipe(epochs=1, warmup_epochs=1)
    with pytest.raises(ValueError, match="shorten the warm-up or train longer"):
        recipe.schedule(10)
    with pytest.raises(ValueError, match="shorten the warm-up or train longer"):
        recipe.optimizer([], 10)


def test_layer_decay_equals_torch_with_a_group_for_each_layer():
    method = compiled(recipe=Recipe(layer_decay=0.5, epochs=4, warmup_epochs=0, weight_decay=0.3))
    # By hand, for one block: embeddings, block, and what follows.
    factors = {"conv1": 0.25, "class_embedding": 0.25, "positional_embedding": 0.25}
    factors |= {"token_embedding": 0.25, "ln_pre": 0.25, "transformer": 0.5}
    ours = method.trainable_variables
    theirs = [torch.nn.Parameter(torch.tensor(v.numpy())) for v in ours]
    rates = [factors.get((*v.path.split("/"), "")[2], 1.0) for v in ours]
    assert [rates.count(f) for f in (0.25, 0.5)] == [5 + 2, 12 + 12]
    groups = [
        {"params": [p], "weight_decay": 0.3 if decayed(v) else 0.0}
        for p, v in zip(theirs, ours, strict=True)
    ]
    reference = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-8)
    random = np.random.default_rng(1)
    for step in range(5):
        gradients = [random.normal(size=v.shape).astype(np.float32) for v in ours]
        method.optimizer.apply(list(map(tf.constant, gradients)), ours)
        for group, factor in zip(reference.param_groups, rates, strict=True):
            group["lr"] = factor * 1e-3 * (1 + np.cos(np.pi * step / 16)) / 2
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        reference.step()
    for v, parameter in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            v.numpy(), parameter.detach().numpy(), rtol=0, atol=1e-5, err_msg=v.path
        )


def test_a_layer_decay_of_1_changes_no_rate():
    method = compiled()
    assert not Recipe().layer_rates(list(method.towers.values()))


@pytest.mark.parametrize("decay", [0.0, 1.5])
def test_refuses_a_layer_decay_out_of_range(decay):
    with pytest.raises(ValueError, match="above 0, and at most 1"):
        Recipe(layer_decay=decay)


def test_refuses_layer_decay_for_a_tower_whose_order_of_layers_is_not_known():
    with pytest.raises(ValueError, match=r"tower Dense is not known: bind recipe.*= 1\.0"):
        Recipe(layer_decay=0.9).layer_rates([keras.layers.Dense(2)])
