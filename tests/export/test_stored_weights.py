"""Exports with weights of half the size, and of one tower alone."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export import card
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.exported_model import ExportedModel
from clipbench_tf.export.saved_model import export
from clipbench_tf.restoration.restored import restored
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method

IMAGES = [png(colour) for colour in COLOURS]


def written(folder, make_scorer=cosine, **options):
    """An export, and its method."""
    method, tokenizer = tiny_method()
    export(
        method,
        tokenizer,
        folder,
        dataset="tiny",
        classes=NAMES,
        templates=("{}",),
        scorer=make_scorer(method),
        image_size=SIZE,
        **options,
    )
    return method, tokenizer


def rounded(method, precision):
    """Rounds all weights but vectors, one by one."""
    for variable in method.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(tf.cast(tf.cast(variable.value, precision), tf.float32))


def weights_size(folder) -> int:
    return sum(file.stat().st_size for file in (folder / "variables").glob("*.data-*"))


@pytest.mark.parametrize(
    ("precision", "make_scorer"),
    [pytest.param("bfloat16", late_interaction, marks=pytest.mark.slow), ("float16", cosine)],
)
def test_half_weights_give_what_rounded_weights_give(tmp_path, precision, make_scorer):
    method, tokenizer = written(tmp_path / "half", make_scorer, weights=precision)
    before = method.image_encoder(tf.zeros([1, SIZE, SIZE, 3], tf.uint8)).embedding.numpy()
    rounded(method, precision)
    after = method.image_encoder(tf.zeros([1, SIZE, SIZE, 3], tf.uint8)).embedding.numpy()
    assert np.abs(before - after).max() > 1e-4  # the rounding can be seen
    scorer = make_scorer(method)
    encoders = MethodEncoders(method, tokenizer=tokenizer, scorer=scorer, image_size=SIZE)
    model, again = ExportedModel(tmp_path / "half"), restored(tmp_path / "half").encoders
    for found in (model, again):
        images, _ = found.represent_images(tf.constant(IMAGES))
        expected, _ = encoders.represent_images(tf.constant(IMAGES))
        classes = [e.represent_classes(tf.constant([NAMES])) for e in (found, encoders)]
        for name, value in expected.items():
            np.testing.assert_allclose(images[name], value, atol=1e-5)
        for name, value in classes[1].items():
            np.testing.assert_allclose(classes[0][name], value, atol=1e-5)
    assert model.card["weights"] == precision
    values = sum(int(np.prod(v.shape)) for t in method.towers.values() for v in t.weights)
    assert 2 * values < weights_size(tmp_path / "half") < 2.4 * values  # in bytes


def test_weights_out_of_range_and_unknown_options_are_refused(tmp_path):
    method, tokenizer = tiny_method()
    kernel = next(v for v in method.text_encoder.trainable_variables if len(v.shape) == 2)
    kernel.assign(tf.fill(kernel.shape, 7e4))
    common = {"dataset": "tiny", "classes": NAMES, "templates": ("{}",), "image_size": SIZE}
    for options, message in (
        ({"weights": "float16"}, r"text.* has values that float16 cannot hold; store bfloat16"),
        ({"weights": "int8"}, "cannot be stored as 'int8'; there are float32, bfloat16, float16"),
        ({"tower": "audio"}, "no tower 'audio'; there are both, image, text"),
    ):
        with pytest.raises(ExportError, match=message):
            export(method, tokenizer, tmp_path / "m", scorer=cosine(method), **common, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("tower", "names"),
    [
        ("image", {"serving_default", "encode_image", "represent_image", "image_features"}),
        ("text", {"serving_default", "encode_text", "represent_classes"}),
    ],
)
def test_one_tower_alone(tmp_path, tower, names):
    method, tokenizer = written(tmp_path / "one", tower=tower)
    model = ExportedModel(tmp_path / "one")
    assert set(model._run) == names
    facts = card.read(tmp_path / "one")
    assert facts["tower"] == tower
    own = {v.path.removeprefix("tiny/") for v in method.towers[tower].weights}
    assert {path for path in facts["variables"] if path} <= own
    if tower == "image":
        found, embed = model.encode_images(IMAGES), model._run["serving_default"]
        np.testing.assert_array_equal(embed(image=tf.constant(IMAGES))["embedding"], found)
        features = method.image_encoder(np.stack([np.full([SIZE, SIZE, 3], c) for c in COLOURS]))
    else:
        found, embed = model.encode_texts(NAMES), model._run["serving_default"]
        np.testing.assert_array_equal(embed(text=tf.constant(NAMES))["embedding"], found)
        features = method.text_encoder(tokenizer(tf.constant(NAMES)))
    expected = features.embedding.numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ExportError, match=f"holds the {tower} tower alone"):
        model.classify(IMAGES, NAMES)
    with pytest.raises(ExportError, match="give the export of a whole model"):
        restored(tmp_path / "one")
