import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.evaluation.alignment import Alignment, Alignments, token_objective, words_of
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_text import ImageText
from tests.evaluation.samples import LENGTH, SIZE, tiny_method

CAPTIONS = ("a green light", "unquestionably zyxwvq!")


def encoders_of(method, tokenizer, size=SIZE, scorer=cosine):
    return MethodEncoders(
        method, tokenizer=tokenizer, scorer=scorer(method), image_size=size, exact=True
    )


def noise(size=SIZE):
    return np.random.default_rng(3).integers(0, 256, [2, size, size, 3], np.uint8)


def mapped(tokens, layer):
    """Unit vectors of `tokens` [n, D], by NumPy."""
    weights = [np.asarray(w, np.float64) for w in layer.weights]
    found = np.asarray(tokens, np.float64) @ weights[0]
    found += weights[1] if len(weights) > 1 else 0.0
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def by_hand(method, tokenizer, picture, caption):
    """The cosines of all patches [P] and all pieces of one pair, start and end left out."""
    (objective,) = (o for o in method.objectives if isinstance(o, FineGrained))
    ids = np.asarray(tokenizer(tf.constant([caption])))[0]
    end = ids.tolist().index(tokenizer.vocabulary.end)
    patches = method.image_encoder(picture[np.newaxis], training=False).tokens[0]
    pieces = method.text_encoder(ids[np.newaxis], training=False).tokens[0][1:end]
    cosines = mapped(patches, objective.image_mapping) @ mapped(pieces, objective.text_mapping).T
    return cosines, ids[1:end].tolist()


def test_cosines_of_patches_and_words_are_those_of_numpy_from_the_towers_tokens():
    method, tokenizer = tiny_method()
    pixels = noise()
    found = Alignments(encoders_of(method, tokenizer), pixels, CAPTIONS).run()
    assert [a.words for a in found] == [("a", "green", "light"), ("unquestionably", "zyxwvq", "!")]
    assert all(a.cosines.shape == (2, 2, 3) for a in found)
    for alignment, picture, caption in zip(found, pixels, CAPTIONS, strict=True):
        np.testing.assert_array_equal(alignment.picture, picture)
        cosines, ids = by_hand(method, tokenizer, picture, caption)
        pieces = [piece.strip() for piece in tokenizer.decode([[i] for i in ids])]
        start, columns = 0, []
        for word in alignment.words:  # each word takes as many pieces as spell it
            count = 1
            while "".join(pieces[start : start + count]) != word:
                count += 1
            columns.append(cosines[:, start : start + count].max(axis=1))
            start += count
        assert start == len(pieces)
        expected = np.stack(columns, axis=1).reshape(2, 2, 3)  # patches run row by row
        np.testing.assert_allclose(alignment.cosines, expected, atol=1e-5)
    assert len(by_hand(method, tokenizer, pixels[1], CAPTIONS[1])[1]) > 3  # words of pieces


def test_their_highest_are_what_late_interaction_scores_by():
    method, tokenizer = tiny_method()
    encoders = encoders_of(method, tokenizer, scorer=late_interaction)
    pixels = noise()
    found = Alignments(encoders, pixels, CAPTIONS).run()
    images = encoders.scorer.images(encoders.images(tf.constant(pixels)))
    classes = encoders.represent_classes(tf.constant([[text] for text in CAPTIONS]))
    own = np.diag(encoders.score(images, classes).numpy())
    np.testing.assert_allclose([a.cosines.max(axis=2).mean() for a in found], own, atol=1e-5)


def test_they_are_the_same_where_several_replicas_train(two_replicas):
    with two_replicas.scope():
        method, tokenizer = tiny_method()
        alignments = Alignments(encoders_of(method, tokenizer), noise(), CAPTIONS)
        inside = alignments.run()
    for found, expected in zip(inside, alignments.run(), strict=True):
        np.testing.assert_allclose(found.cosines, expected.cosines, atol=1e-6)


def test_they_follow_the_weights():
    method, tokenizer = tiny_method()
    alignments = Alignments(encoders_of(method, tokenizer), noise(), CAPTIONS)
    before = alignments.run()[0].cosines
    (objective,) = (o for o in method.objectives if isinstance(o, FineGrained))
    kernel = objective.image_mapping.weights[0]
    kernel.assign(-kernel)
    assert np.abs(alignments.run()[0].cosines - before).max() > 0.1


def test_positions_of_a_resnet_are_its_patches():
    tower = {"embed_dim": 6, "heads": 2}
    method = Method(
        image_encoder=ModifiedResNet(image_size=64, width=4, depths=(1, 1, 1, 1), **tower),
        text_encoder=TextTransformer(context_length=LENGTH, width=8, depth=1, **tower),
        objectives=[FineGrained(width=5)],
    )
    images, ids = tf.zeros([2, 1, 64, 64, 3], tf.uint8), tf.ones([2, 1, LENGTH], tf.int32)
    method.build({"images": images, "ids": ids})
    tokenizer, pixels = Tokenizer(context_length=LENGTH), noise(64)
    found = Alignments(encoders_of(method, tokenizer, 64), pixels, ["a red cat", "tree"]).run()
    assert [a.cosines.shape for a in found] == [(2, 2, 3), (2, 2, 1)]
    expected, _ = by_hand(method, tokenizer, pixels[1], "tree")
    np.testing.assert_allclose(found[1].cosines.reshape(4, 1), expected, atol=1e-4)


def test_words_and_patches_that_answer_to_each_other():
    cosines = np.array([[[0.1, 0.9], [0.3, 0.2]], [[0.5, 0.4], [0.2, 0.8]]], np.float32)
    alignment = Alignment(np.zeros([8, 8, 3], np.uint8), ("a", "b"), cosines)
    assert alignment.words_of_patches().tolist() == [[1, 0], [0, 1]]
    assert alignment.patches_of_words().tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("pieces", "words", "owners"),
    [
        (["play", "##ing", "it", "##s", "end"], ("playing", "its", "end"), [0, 0, 1, 1, 2]),
        (["one"], ("one",), [0]),
        ([], (), []),
    ],
)
def test_wordpieces_are_joined(pieces, words, owners):
    def decode(rows):
        return [" ".join(pieces[i] for i in row).replace(" ##", "") for row in rows]

    found, places = words_of(range(len(pieces)), decode)
    assert found == words
    assert places.tolist() == owners


def test_pieces_of_letters_of_several_bytes_are_joined():
    tokenizer = Tokenizer(context_length=LENGTH)
    ids = np.asarray(tokenizer(tf.constant(["naïve 漢字 cat"])))[0]
    content = ids[1 : ids.tolist().index(tokenizer.vocabulary.end)].tolist()
    words, owners = words_of(content, tokenizer.decode)
    assert words == ("naïve", "漢字", "cat")
    assert len(owners) == len(content) and owners.tolist() == sorted(owners)


def test_a_method_without_patches_and_words_is_refused():
    method, tokenizer = tiny_method()
    method.objectives = [o for o in method.objectives if isinstance(o, ImageText)]
    encoders = encoders_of(method, tokenizer)
    assert token_objective(encoders) is None
    with pytest.raises(ValueError, match="tiny aligns no patches and words; bind a FineGrained"):
        Alignments(encoders, noise(), CAPTIONS)


def test_patches_in_no_square_grid_are_refused(monkeypatch):
    method, tokenizer = tiny_method()
    encoders = encoders_of(method, tokenizer)
    objective = token_objective(encoders)
    whole = objective.image_tokens
    monkeypatch.setattr(objective, "image_tokens", lambda features: whole(features)[:, 1:])
    with pytest.raises(ValueError, match="The 3 patches of tiny make no square grid"):
        Alignments(encoders, noise(), CAPTIONS).run()
