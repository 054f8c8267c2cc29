"""The samples of the benchmarks: the same for both sides, and of the sizes that are claimed."""

import io
import random

import numpy as np
from PIL import Image

from clipbench_tf.benchmarks.peers.pil_views import strong_view
from clipbench_tf.benchmarks.samples import captions, pictures, tokens
from clipbench_tf.data.text.vocabulary import END_ID, START_ID


def test_captions_have_seventeen_ids_on_average():
    rows = captions.ids(4000, natural=True)
    lengths = (rows != 0).sum(axis=1)
    assert 16.5 < lengths.mean() < 17.5
    assert (lengths.min(), lengths.max() <= 77) == (5, True)
    assert (rows[:, 0] == START_ID).all()
    assert (rows[np.arange(4000), lengths - 1] == END_ID).all()
    assert (captions.ids(10, natural=False) != 0).all()
    np.testing.assert_array_equal(rows, captions.ids(4000, natural=True))


def test_sentences_are_seeded_and_of_natural_length():
    sentences = captions.sentences(500)
    assert sentences == captions.sentences(500)
    assert len(set(sentences)) > 490
    assert 8 < np.mean([len(s.split()) for s in sentences]) < 15


def test_there_are_eighty_prompts():
    assert len(set(captions.templates())) == 80
    assert all("{}" in template for template in captions.templates())


def test_pictures_are_as_heavy_as_photographs():
    encoded = pictures.jpegs(4)
    assert encoded == pictures.jpegs(4)
    assert all(40_000 < len(one) < 150_000 for one in encoded)
    assert all(max(Image.open(io.BytesIO(one)).size) >= 480 for one in encoded)


def test_a_view_of_the_peer_is_a_normalised_tensor():
    picture = Image.open(io.BytesIO(pictures.jpegs(1)[0]))
    views = [strong_view(picture, random.Random(seed)) for seed in range(20)]
    assert {tuple(view.shape) for view in views} == {(3, 224, 224)}
    assert all(view.isfinite().all() and view.abs().max() < 4 for view in views)


def test_tokens_have_unit_length():
    made = tokens.make(2, 3)
    np.testing.assert_allclose(np.linalg.norm(made.texts, axis=-1), np.ones((3, 77)), rtol=1e-5)
    assert (made.images.shape, made.of_texts.shape) == ((2, 49, 256), (3, 2))
