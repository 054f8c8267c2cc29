"""The locked tower: whose weights it has, that they stay, and what happens without them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.checkpoints.checkpoints import Checkpoints
from clipbench_tf.method import Method
from clipbench_tf.models.locked import Locked
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.image_text import ImageText

SIZE = 32


def vit(**sizes):
    return VisionTransformer(
        **{"image_size": SIZE, "patch_size": 16, "width": 8, "depth": 2, "heads": 2, **sizes},
        embed_dim=6,
    )


def resnet():
    return ModifiedResNet(image_size=SIZE, depths=(1, 1, 1, 1), width=4, heads=2, embed_dim=6)


def batch():
    random = np.random.default_rng(0)
    ids = np.zeros((4, 1, 6), np.int32)
    ids[:, 0, :4] = random.integers(1, 20, (4, 4))
    return {
        "images": tf.constant(random.integers(0, 256, (4, 1, SIZE, SIZE, 3)), tf.uint8),
        "ids": tf.constant(ids),
        "position": tf.range(4, dtype=tf.int64),
    }


def method(image_encoder, name="lit"):
    text = TextTransformer(
        context_length=6, vocabulary_size=20, width=8, depth=1, heads=2, embed_dim=6
    )
    built = Method(
        image_encoder=image_encoder,
        text_encoder=text,
        objectives=[ImageText()],
        name=name,
    )
    built.build(batch())
    optimizer = keras.optimizers.AdamW(learning_rate=0.1, weight_decay=0.5, name="adamw")
    optimizer.build(built.trainable_variables)
    built.compile(optimizer=optimizer)
    return built


def train(built, steps=2):
    for _ in range(steps):
        built.train_step(batch())


def fit(built):
    """As `train`, in a graph, as a training run does it."""
    batches = tf.data.Dataset.from_tensors(batch()).repeat()
    built.fit(batches, steps_per_epoch=2, shuffle=False, verbose=0)


def source(folder, encoder, steps=2):
    """A run that was trained for some steps and saved; its tower's weights."""
    built = method(encoder, name="clip")
    train(built, steps)
    Checkpoints(folder / "checkpoints", built).save()
    return encoder.get_weights()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder, tower and weights of such a run, by the kind of tower."""
    made = {}
    for kind in (vit, resnet):
        folder, encoder = tmp_path_factory.mktemp("clip"), kind()
        made[kind] = folder, encoder, source(folder, encoder)
    return made


def assert_same(weights, others):
    assert len(weights) == len(others) > 0
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("tower", "place"), [(vit, ""), (resnet, "checkpoints")])
def test_weights_are_the_other_runs_and_training_leaves_them_alone(tower, place, runs):
    folder, original, weights = runs[tower]
    encoder = tower()
    lit = method(Locked(encoder=encoder, checkpoint=str(folder / place)))
    assert_same(encoder.get_weights(), weights)
    texts = lit.text_encoder.get_weights()

    train(lit)
    assert_same(encoder.get_weights(), weights)
    assert any((a != b).any() for a, b in zip(lit.text_encoder.get_weights(), texts, strict=True))
    images = batch()["images"][:, 0]
    expected = original(images, training=False)
    for training in (False, True):  # in training, too, batch norms use their running means
        assert_same(lit.image_encoder(images, training=training), expected)


def test_only_text_tower_and_temperature_are_trained_but_all_is_counted(runs):
    encoder = vit()
    lit = method(Locked(encoder=encoder, checkpoint=str(runs[vit][0])))
    trained = {v.path for v in lit.trainable_variables}
    assert trained == {v.path for v in [*lit.text_encoder.variables, lit.logit_scale]}
    assert lit.image_encoder.image_size == SIZE
    assert lit.count_params() == method(vit()).count_params()

    with tf.GradientTape() as tape:
        loss = lit.objectives[0](lit.call(batch(), training=True))
    gradients = tape.gradient(loss, [v.value for v in encoder.variables])
    assert all(gradient is None for gradient in gradients)


@pytest.fixture(scope="module")
def locked_run(runs, tmp_path_factory):
    """The folder of a run that trained with the locked ViT."""
    lit = method(Locked(encoder=vit(), checkpoint=str(runs[vit][0])))
    train(lit)
    folder = tmp_path_factory.mktemp("lit")
    Checkpoints(folder / "checkpoints", lit).save()
    return folder


@pytest.mark.parametrize("fate", ["gone", "trained again", "another tower"])
def test_a_run_that_goes_on_has_its_tower_from_its_own_checkpoint(fate, runs, locked_run, tmp_path):
    weights = runs[vit][2]
    if fate == "trained again":
        again = source(tmp_path, vit(), steps=3)
        assert any((a != b).any() for a, b in zip(again, weights, strict=True))
    elif fate == "another tower":
        source(tmp_path, vit(width=12))
    encoder = vit()
    resumed = method(Locked(encoder=encoder, checkpoint=str(tmp_path)))
    assert Checkpoints(locked_run / "checkpoints", resumed).restore() == 2
    if fate == "gone":
        fit(resumed)
    else:
        train(resumed)
    assert_same(encoder.get_weights(), weights)


def test_the_tower_of_a_locked_run_can_be_locked_again(runs, locked_run):
    encoder = vit()
    Locked(encoder=encoder, checkpoint=str(locked_run))(batch()["images"][:, 0])
    assert_same(encoder.get_weights(), runs[vit][2])


def test_every_replica_has_the_weights(runs, two_replicas):
    folder, _, weights = runs[vit]
    with two_replicas.scope():
        encoder = vit()
        Locked(encoder=encoder, checkpoint=str(folder))(batch()["images"][:, 0])
    for variable, value in zip(encoder.variables, weights, strict=True):
        for copy in two_replicas.experimental_local_results(variable.value):
            np.testing.assert_array_equal(copy, value)


@pytest.mark.parametrize(
    ("sizes", "difference"),
    [
        ({"width": 12}, r"class_embedding is \(8,\) there, \(12,\) here"),
        ({"depth": 1}, r"transformer/block_1/\S+ is \S+ there, missing here"),
        ({"depth": 3}, r"transformer/block_2/\S+ is missing there, \S+ here"),
        ({"patch_size": 8}, r"conv1/kernel is \(16, 16, 3, 8\) there, \(8, 8, 3, 8\) here"),
    ],
)
def test_a_tower_of_other_sizes_is_refused(sizes, difference, runs):
    locked = Locked(encoder=vit(**sizes), checkpoint=str(runs[vit][0]))
    with pytest.raises(ValueError, match=f"other sizes.*{difference}.*same file of gin/models"):
        locked(batch()["images"][:, 0], training=True)


@pytest.mark.parametrize(
    ("make", "policy"),
    [
        (False, "float32"),
        (True, "float32"),
        pytest.param(True, "mixed_bfloat16", marks=pytest.mark.bfloat16),
    ],
)
def test_a_folder_without_a_checkpoint_is_refused(make, policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    if make:
        (tmp_path / "clip").mkdir()
    lit = method(Locked(encoder=vit(), checkpoint=str(tmp_path / "clip")))
    with pytest.raises(ValueError, match=r"no checkpoint in '.*clip'.*Train that run first"):
        fit(lit)
