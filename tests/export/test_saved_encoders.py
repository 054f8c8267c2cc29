"""What an export, also one of an earlier version, gives to an evaluator."""

import copy

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export.card import ExportError
from tests.evaluation.samples import COLOURS, NAMES, png

IMAGES = [png(colour) for colour in COLOURS]
BROKEN = tf.constant([IMAGES[0], b"no image", IMAGES[2]])
GOOD = [0, 2]  # places of pictures in BROKEN


@pytest.fixture(params=[cosine, late_interaction])
def made(request, tiny_export):
    """An export as it is loaded, to change, and its encoders in memory."""
    exported = tiny_export(request.param)
    return copy.copy(exported.model), exported.encoders


def text_scores_of(encoders) -> np.ndarray:
    images, _ = encoders.represent_images(tf.constant(IMAGES))
    classes = encoders.represent_classes(tf.constant([[name] for name in NAMES[:3]]))
    return encoders.score_texts(classes, images).numpy()


def test_text_scores_and_features_equal_those_in_memory(made):
    loaded, encoders = made
    assert text_scores_of(loaded).shape == (3, 5)
    np.testing.assert_allclose(text_scores_of(loaded), text_scores_of(encoders), atol=1e-5)
    features, valid = loaded.image_features(BROKEN)
    pooled = encoders.method.image_encoder(encoders.pixels(tf.gather(BROKEN, GOOD))[0]).pooled
    np.testing.assert_allclose(features.numpy()[GOOD], pooled, atol=1e-5)
    np.testing.assert_array_equal(valid, [True, False, True])
    assert loaded.feature_kind == encoders.feature_kind == "pooled"


def test_an_earlier_export_has_embeddings_for_features_and_the_cosine_for_texts(made):
    loaded, encoders = made
    later = ("score_texts", "image_features")
    loaded._run = {name: f for name, f in loaded._run.items() if name not in later}
    assert loaded.feature_kind == "embedding"
    features, valid = loaded.image_features(BROKEN)
    np.testing.assert_array_equal(valid, [True, False, True])
    pixels = encoders.pixels(tf.gather(BROKEN, GOOD))[0]
    embedding = encoders.method.image_encoder(pixels).embedding.numpy()
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    np.testing.assert_allclose(features.numpy()[GOOD], embedding, atol=1e-5)
    if encoders.scorer.name == "cosine":
        np.testing.assert_allclose(text_scores_of(loaded), text_scores_of(encoders), atol=1e-5)
    else:
        with pytest.raises(ExportError, match=r"late_interaction.*export the model again"):
            text_scores_of(loaded)


def test_an_export_of_version_0_4_takes_pictures_alone_and_names_others_all_the_same(made):
    model, _ = made
    now = model._run["encode_image"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def encode_image(image: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = now(image=image)
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(answer["valid"]), [""])]):
            return {"embedding": tf.identity(answer["embedding"])}

    expected = model.encode_images([IMAGES[0], IMAGES[2]])
    model._run = {**model._run, "encode_image": encode_image.get_concrete_function()}
    np.testing.assert_allclose(model.encode_images([IMAGES[0], IMAGES[2]]), expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"Picture 1 cannot be decoded; JPEG"):
        model.encode_images([IMAGES[0], b"no image", IMAGES[2]])
    embedding, valid = model.embed_images(BROKEN)
    np.testing.assert_allclose(embedding.numpy()[GOOD], expected, atol=1e-6)
    np.testing.assert_array_equal(valid, [True, False, True])
    assert not embedding.numpy()[1].any()
