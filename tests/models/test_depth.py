"""Where layers lie, what is locked, and that nothing reaches what is."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.method import Method
from clipbench_tf.models import depth
from clipbench_tf.models.hub_image import HubImage
from clipbench_tf.models.layers.batch_norm import BatchNorm
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.optimization.recipe import Recipe
from tests.method.small_method import LENGTH, STEPS_PER_EPOCH, batch
from tests.method.test_steps_of_two_replicas import Steps

RECIPE = Recipe(epochs=3, warmup_epochs=0, start_learning_rate=0.1, weight_decay=0.5)
SIDE = 32


def pairs():
    images = np.random.default_rng(3).integers(0, 256, (4, 1, SIDE, SIDE, 3))
    return {**batch(), "images": tf.constant(images, tf.uint8)}


def vit(recompute=False):
    return VisionTransformer(
        image_size=SIDE,
        patch_size=16,
        width=8,
        depth=3,
        heads=2,
        embed_dim=6,
        recompute=recompute,
    )


def resnet():
    return ModifiedResNet(image_size=SIDE, depths=(1, 2, 1, 1), width=4, heads=2, embed_dim=6)


def text():
    return TextTransformer(context_length=LENGTH, width=4, depth=2, heads=2, embed_dim=6)


def method(image_encoder, locked=None, recipe=RECIPE, **arguments):
    keras.utils.set_random_seed(1)
    made = Method(
        image_encoder=image_encoder,
        text_encoder=text(),
        objectives=[ImageText()],
        locked=locked,
        **arguments,
    )
    recipe.compile(made, pairs(), STEPS_PER_EPOCH)
    return made


# By hand: the depth of each layer at the top of a tower, and of the blocks.
EXPECTED = {
    vit: {
        "conv1": 0,
        "class_embedding": 0,
        "positional_embedding": 0,
        "ln_pre": 0,
        "transformer/block_0": 1,
        "transformer/block_1": 2,
        "transformer/block_2": 3,
        "ln_post": 4,
        "proj": 4,
    },
    resnet: {
        **dict.fromkeys(("conv1", "conv2", "conv3", "bn1", "bn2", "bn3"), 0),
        "layer1_0": 1,
        "layer2_0": 2,
        "layer2_1": 3,
        "layer3_0": 4,
        "layer4_0": 5,
        "attnpool": 6,
        "proj": 6,
    },
    text: {
        "token_embedding": 0,
        "positional_embedding": 0,
        "transformer/block_0": 1,
        "transformer/block_1": 2,
        "ln_final": 3,
        "proj": 3,
    },
}


def place(tower, variable):
    """The layer of `variable` as EXPECTED names it."""
    parts = variable.path.removeprefix(f"{tower.path}/").split("/")
    return "/".join(parts[:2]) if parts[0] == "transformer" else parts[0]


@pytest.mark.parametrize("make", EXPECTED)
def test_every_variable_of_a_tower_lies_where_it_should(make):
    made = method(vit() if make is text else make())
    tower = made.text_encoder if make is text else made.image_encoder
    assert {place(tower, v): depth.depth(tower, v) for v in tower.variables} == EXPECTED[make]


@pytest.mark.parametrize("make", [vit, resnet])
@pytest.mark.parametrize("free", [0, 2])
def test_what_is_locked_stays_under_weight_decay_and_all_else_moves(make, free):
    made = method(make(), {"image": free, "text": 1})
    locked = set()
    for tower, number in ((made.image_encoder, free), (made.text_encoder, 1)):
        last = max(EXPECTED[make if tower is made.image_encoder else text].values())
        first = last - number if number else last + 1
        locked |= {v.path for v in tower.variables if depth.depth(tower, v) < first}
    before = {v.path: v.numpy() for v in made.variables}
    names = {v.path for v in made.trainable_variables}
    assert names == {
        v.path
        for v in [*made.image_encoder.variables, *made.text_encoder.variables, made.logit_scale]
        if v.path not in locked and not v.name.startswith("moving_")
    }
    assert len(made.optimizer.variables) == 2 * len(names) + 1  # moments, step
    for _ in range(2):
        made.train_step(pairs())
    for variable in made.variables:
        moved = (variable.numpy() != before[variable.path]).any()
        if variable.path in locked:
            assert not moved, variable.path
        elif variable.path in names or variable.name.startswith("moving_"):
            assert moved, variable.path


def test_a_locked_batch_norm_infers_in_training():
    norm = BatchNorm(synchronized=False, name="norm")
    x = tf.random.stateless_normal([6, 3], seed=[0, 1]) + 2.0
    norm(x)
    norm.trainable = False
    np.testing.assert_array_equal(norm(x, training=True), norm(x, training=False))
    np.testing.assert_array_equal(norm.moving_mean, [0.0, 0.0, 0.0])


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_of_what_is_free_are_those_of_the_whole_tower(recompute):
    whole, partly = method(vit()), method(vit(recompute), {"image": 1})
    for ours, theirs in zip(partly.variables, whole.variables, strict=True):
        ours.assign(theirs)

    def of_free(made):
        tower = made.image_encoder
        free = [v.value for v in tower.trainable_variables if depth.depth(tower, v) > 2]
        return tf.function(lambda: made.gradients(pairs(), free)[1], autograph=False)()

    results = [of_free(made) for made in (whole, partly)]
    assert len(results[0]) == 12 + 3  # of a block; last norm, projection
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)


def test_no_gradient_passes_through_what_is_locked_below():
    reached = []

    @tf.custom_gradient
    def probe(x):
        def gradient(upstream):
            reached.append(True)
            return upstream

        return tf.identity(x), gradient

    def reaches(made):
        inner = made.image_encoder.transformer.blocks[0]
        call = inner.call
        inner.call = lambda x, **options: probe(call(x, **options))
        reached.clear()
        made.gradients(pairs(), [v.value for v in made.trainable_variables])
        return bool(reached)

    assert reaches(method(vit()))
    assert not reaches(method(vit(), {"image": 2}))
    assert not reaches(method(vit(), {"image": 0}))


def test_two_replicas_step_alike_with_a_partly_locked_tower(two_replicas):
    gentle = dataclasses.replace(RECIPE, epsilon=0.1)  # steps in proportion to gradients
    with two_replicas.scope():
        both = method(resnet(), {"image": 2}, gentle)
    alone = method(resnet(), {"image": 2}, gentle)
    start = [v.numpy() for v in both.variables]
    for variable, value in zip(alone.variables, start, strict=True):
        variable.assign(value)
    Steps(two_replicas, both)(pairs())
    alone.train_step(pairs())
    moved = 0
    for one, two, before in zip(both.variables, alone.variables, start, strict=True):
        np.testing.assert_allclose(one.numpy(), two.numpy(), atol=1e-4, err_msg=one.path)
        moved += (one.numpy() != before).any()
    assert moved > len(both.trainable_variables) / 2


def test_a_locked_resnet_can_be_encoded_in_chunks_and_a_free_one_cannot():
    method(resnet(), {"image": 0}, chunks=2).train_step(pairs())
    for locked in ({}, {"image": 1}):
        with pytest.raises(ValueError, match="batch norms of ModifiedResNet"):
            method(resnet(), locked, chunks=2)


@pytest.mark.parametrize(
    ("locked", "message"),
    [
        ({"visual": 0}, "locked names 'visual'; give 'image' or 'text'"),
        ({"image": 4}, "leaves 4 blocks of the image tower free, which has 3"),
        ({"text": -1}, "leaves -1 blocks of the text tower free"),
    ],
)
def test_mistakes_are_told_when_the_method_is_made(locked, message):
    with pytest.raises(ValueError, match=message):
        method(vit(), locked)


def test_a_tower_of_kerashub_has_a_lock_of_its_own():
    tower = HubImage(preset="nowhere", image_size=SIDE)
    with pytest.raises(ValueError, match=r"HubImage is not known.*`locked` of its own"):
        Method(
            image_encoder=tower, text_encoder=text(), objectives=[ImageText()], locked={"image": 0}
        )
