"""The signature `align` of an export, beside the method in memory."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation.alignment import Alignments, words_in
from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.export import card
from clipbench_tf.export.signatures import SignatureMaker
from clipbench_tf.export.stored_weights import StoredWeights
from clipbench_tf.objectives.image_text import ImageText
from tests.evaluation.samples import COLOURS, png, tiny_method

PICTURES = [png(colour) for colour in COLOURS[:3]]
CAPTIONS = ["a green light", "unquestionably naïve 漢字!", "more words than sixteen " * 4]


@pytest.fixture
def encoders(tiny_export):
    return tiny_export(cosine).encoders


def test_an_export_aligns_as_the_method_does(encoders, tiny_export):
    """Its scorer is the cosine, as that of DeFILIP."""
    exported = tiny_export(cosine)
    assert card.read(exported.folder)["aligns"]
    align = exported.loaded.signatures["align"]
    found = align(image=tf.constant(PICTURES), text=tf.constant(CAPTIONS))
    pixels, _ = encoders.pixels(tf.constant(PICTURES))
    for n, reference in enumerate(Alignments(encoders, pixels.numpy(), CAPTIONS).run()):
        spelling = [text.decode() for text in found["spelling"][n].numpy()]
        places = [place for place, text in enumerate(spelling) if text]
        words, owners = words_in([spelling[place] for place in places])
        assert words == reference.words
        cosines = found["cosines"][n].numpy()[:, places]
        for word in range(len(words)):
            np.testing.assert_allclose(
                cosines[:, owners == word].max(axis=1),
                reference.cosines[:, :, word].ravel(),
                atol=1e-5,
            )


def test_a_bad_picture_is_told_and_an_empty_batch_has_an_empty_answer(tiny_export):
    run = tiny_export(cosine).loaded.signatures["align"]
    found = run(image=tf.constant([PICTURES[0], b"none"]), text=tf.constant(["a cat", ""]))
    assert found["valid"].numpy().tolist() == [True, False]
    assert not any(found["spelling"][1].numpy())
    nothing = run(image=tf.constant([], tf.string), text=tf.constant([], tf.string))
    assert {name: value.shape[0] for name, value in nothing.items()} == {
        "cosines": 0,
        "spelling": 0,
        "valid": 0,
    }


def test_methods_without_heads_for_tokens_or_a_square_of_patches_have_none(encoders, monkeypatch):
    objective = encoders.method.objectives[1]
    whole = objective.image_tokens
    monkeypatch.setattr(objective, "image_tokens", lambda features: whole(features)[:, 1:])
    assert SignatureMaker(encoders, StoredWeights(encoders.method, "float32")).of_tokens() == {}
    method, _ = tiny_method()
    method.objectives = [o for o in method.objectives if isinstance(o, ImageText)]
    monkeypatch.setattr(encoders, "method", method)
    assert SignatureMaker(encoders, StoredWeights(encoders.method, "float32")).of_tokens() == {}
