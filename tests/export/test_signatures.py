"""What the signatures of an export answer, beside the encoders in memory."""

import io
import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from clipbench_tf.data.images.image_views import evaluation_view
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png
from tests.export.exports import TEMPLATES

IMAGES = [png(colour) for colour in COLOURS]
MIXED = tf.constant([*IMAGES[:2], b"no image", IMAGES[2]])
GOOD = [0, 1, 3]  # places of pictures in MIXED


@pytest.fixture(scope="module", params=[cosine, late_interaction])
def made(request, tiny_export):
    """The folder of an export, its encoders in memory, and the export as Python loads it."""
    exported = tiny_export(request.param)
    return exported.folder, exported.encoders, exported.loaded


def probabilities(encoders, classes, templates) -> np.ndarray:
    """Of each class for each of `GOOD`, by the classifier in memory."""
    images, _ = encoders.represent_images(tf.gather(MIXED, GOOD))
    logits = Classifier(encoders, classes, templates).scores(images)
    logits = logits * float(encoders.scorer.scale())
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def by_name(answer, row) -> list[tuple[str, float]]:
    names = [name.decode() for name in answer["classes"].numpy()[row]]
    return list(zip(names, answer["scores"].numpy()[row].tolist(), strict=True))


def check(answer, expected, classes, k) -> None:
    """The answer has the k most probable of `classes` for `GOOD`, and nothing for the other."""
    np.testing.assert_array_equal(answer["valid"], [True, True, False, True])
    assert by_name(answer, 2) == [("", 0.0)] * k
    for row, wanted in zip(GOOD, expected, strict=True):
        best = sorted(zip(wanted, classes, strict=True), reverse=True)[:k]
        assert [name for name, _ in by_name(answer, row)] == [name for _, name in best]
        np.testing.assert_allclose(
            [s for _, s in by_name(answer, row)], [s for s, _ in best], atol=1e-5
        )


def test_pictures_of_all_formats_and_sizes_have_the_embeddings_of_the_method(made):
    _, encoders, model = made
    rng = np.random.default_rng(0)
    pictures = []
    sizes = ((1, 1), (9, 30), (640, 33))
    for kind, size in itertools.product(("JPEG", "PNG", "GIF", "BMP", "WEBP"), sizes):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(out, kind)
        pictures.append(out.getvalue())
    pixels = tf.stack([evaluation_view(one, SIZE) for one in pictures])
    expected = encoders.method.image_encoder(pixels).embedding.numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    answer = model.signatures["encode_image"](image=tf.constant(pictures))
    assert answer["valid"].numpy().all()
    np.testing.assert_allclose(answer["embedding"], expected, atol=1e-5)


@pytest.mark.parametrize(("k", "given"), [(1, 1), (3, 3), (5, 5), (5, 99)])
def test_the_best_of_the_exported_names(made, k, given):
    _, encoders, model = made
    answer = model.signatures["serving_default"](image=MIXED, k=tf.constant(given))
    check(answer, probabilities(encoders, NAMES, TEMPLATES), NAMES, k)


def test_each_row_may_ask_for_its_own_number(made):
    _, _, model = made
    run = model.signatures["serving_default"]
    answer, whole = (
        run(image=MIXED, k=tf.constant([1, 3, 2, 2])),
        run(image=MIXED, k=tf.constant(3)),
    )
    for row, k in ((0, 1), (1, 3), (3, 2)):
        assert by_name(answer, row) == [*by_name(whole, row)[:k], *[("", 0.0)] * (3 - k)]


def test_the_best_of_the_names_in_a_request(made):
    _, encoders, model = made
    classes = ["cat", "dog", "a red bus, seen from above", "cat", "été"]
    templates = ["{}", "{} and {}", r"a \1 {}."]
    expected = probabilities(encoders, classes, templates)
    for rows in ([classes], [classes] * 4):
        answer = model.signatures["classify"](
            image=MIXED,
            classes=tf.constant(rows),
            templates=tf.constant(templates),
            k=tf.constant(2),
        )
        np.testing.assert_array_equal(answer["valid"], [True, True, False, True])
        for row, wanted in zip(GOOD, expected, strict=True):
            order = np.argsort(-wanted, kind="stable")[:2]
            assert [n for n, _ in by_name(answer, row)] == [classes[i] for i in order]
            scores = [s for _, s in by_name(answer, row)]
            np.testing.assert_allclose(scores, wanted[order], atol=1e-5)


def test_each_picture_may_bring_its_own_names_and_templates(made):
    _, encoders, model = made
    names = [["cat", "dog"], ["dog", "red"], ["x", "y"], ["cat", "blue"]]
    templates = [["{}", "a {}"], ["{}", "a {}"], ["{}", "{}"], ["{}!", "my {}"]]
    answer = model.signatures["classify"](
        image=MIXED,
        classes=tf.constant(names),
        templates=tf.constant(templates),
        k=tf.constant([2, 2, 2, 2]),
    )
    for place, row in enumerate(GOOD):
        wanted = probabilities(encoders, names[row], templates[row])[place]
        for name, score in by_name(answer, row):
            assert score == pytest.approx(wanted[names[row].index(name)], abs=1e-5)


def test_many_names_are_encoded_in_parts(made):
    _, encoders, model = made
    pairs = itertools.product("abcdefghijklmnop", repeat=2)
    classes = [f"{'very ' * (i % 3)}{a}{b}" for i, (a, b) in enumerate(pairs)]
    answer = model.classify(MIXED, tf.constant([classes]), tf.constant(TEMPLATES), len(classes))
    expected = probabilities(encoders, classes, TEMPLATES)
    for wanted, row in zip(expected, GOOD, strict=True):
        found = dict(by_name(answer, row))
        np.testing.assert_allclose([found[name] for name in classes], wanted, atol=1e-5)


def test_the_best_of_classes_that_are_represented(made):
    _, encoders, model = made
    prompts = tf.constant([[t.replace("{}", name) for t in TEMPLATES] for name in NAMES])
    classes = model.signatures["represent_classes"](prompts=prompts)
    answer = model.signatures["classify_represented"](
        image=MIXED, k=tf.constant(2), **{f"class_{name}": value for name, value in classes.items()}
    )
    order = np.argsort(-probabilities(encoders, NAMES, TEMPLATES), axis=1)[:, :2]
    np.testing.assert_array_equal(answer["indices"].numpy()[GOOD], order)
    assert answer["indices"].dtype == tf.int32
    assert answer["indices"].numpy()[2].tolist() == [-1, -1]
    np.testing.assert_array_equal(answer["valid"], [True, True, False, True])


def test_no_pictures_no_answers(made):
    run, none = made[2].signatures, tf.constant([], tf.string)
    for rows in (0, 1):
        answer = run["classify"](
            image=none,
            classes=tf.constant([["cat", "dog"]])[:rows],
            templates=tf.constant(TEMPLATES),
            k=tf.constant(1),
        )
        assert answer["classes"].shape == answer["scores"].shape == (0, 1)
        assert answer["valid"].shape == (0,)
    assert run["serving_default"](image=none, k=tf.constant([], tf.int32))["scores"].shape[0] == 0
    assert run["encode_image"](image=none)["embedding"].shape == (0, 6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"k": tf.constant(0)}, "k must be at least 1, but is"),
        ({"k": tf.constant([1, 2])}, "k must be one number, or one for each picture"),
        ({"classes": tf.zeros([1, 0], tf.string)}, "classes must name at least one class"),
        ({"classes": tf.constant([["a", " \u3000\n"]])}, "classes must have no empty name"),
        ({"classes": tf.constant([["a"]] * 2)}, "classes must have one row for all pictures"),
        ({"templates": tf.constant([], tf.string)}, "templates must have at least one prompt"),
        ({"templates": tf.constant([["{}"]] * 3)}, "templates must be one list for all pictures"),
        ({"templates": tf.constant(["{}", "a cat"])}, r"templates must all have \{\}"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(made, changed, message):
    request = {
        "image": MIXED,
        "classes": tf.constant([["cat", "dog"]]),
        "templates": tf.constant(TEMPLATES),
        "k": tf.constant(1),
    }
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        made[2].signatures["classify"](**{**request, **changed})


def test_what_may_be_left_out_has_its_default_in_the_saved_model(made):
    folder, encoders, model = made
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    defaults = {
        name: {n: tf.make_ndarray(value).tolist() for n, value in signature.defaults.items()}
        for name, signature in signatures.items()
        if signature.defaults
    }
    assert defaults == {
        "serving_default": {"k": 5},
        "classify": {"k": 5, "templates": [t.encode() for t in TEMPLATES]},
        "classify_represented": {"k": 5},
    }
    # A session, as TensorFlow Serving runs, needs no more than the pictures.
    signature = signatures["serving_default"]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        answer = session.run(
            {name: info.name for name, info in signature.outputs.items()},
            {signature.inputs["image"].name: MIXED.numpy()},
        )
    expected = probabilities(encoders, NAMES, TEMPLATES)
    check({n: tf.constant(v) for n, v in answer.items()}, expected, NAMES, 5)
    check(model.serving_default(MIXED), expected, NAMES, 5)
