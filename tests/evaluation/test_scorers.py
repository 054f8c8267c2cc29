import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation import scorers
from clipbench_tf.evaluation.scorers import Cosine, LateInteraction, cosine, late_interaction
from clipbench_tf.features import ImageFeatures, TextFeatures
from clipbench_tf.method import Method
from tests.evaluation.samples import tiny_method

B, P, C, T, L, D = 3, 4, 5, 2, 6, 7


def unit(x, axis=-1):
    return x / np.sqrt(np.sum(x * x, axis=axis, keepdims=True))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def late(**options):
    """Late interaction whose features are already the tokens."""
    return LateInteraction(
        image_tokens=lambda f: f.tokens,
        text_tokens=lambda f: (f.tokens, f.mask),
        scale=lambda: tf.constant(2.0),
        **options,
    )


def tokens(rng):
    """Unit vectors of patches [B, P, D] and words [C, T, L, D], and the mask of the words."""
    patches = unit(rng.normal(size=(B, P, D))).astype(np.float32)
    words = unit(rng.normal(size=(C, T, L, D))).astype(np.float32)
    mask = rng.random((C, T, L)) < 0.6
    mask[..., 0] = True
    mask[1, 1] = False  # a prompt without a word scores 0
    return patches, words, mask


def test_cosine_normalises_averages_and_normalises(rng):
    images, texts = rng.normal(size=(B, D)), rng.normal(size=(C, T, D))
    scorer = Cosine(scale=lambda: tf.constant(1.0))
    rep = scorer.texts(TextFeatures(tf.constant(texts.reshape(C * T, D)), None, None))
    classes = scorer.classes({"embedding": tf.reshape(rep["embedding"], [C, T, D])})
    scores = scorer.score(scorer.images(ImageFeatures(tf.constant(images), None, None)), classes)
    expected = unit(images) @ unit(unit(texts).mean(axis=1)).T
    assert scores.dtype == tf.float32
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_late_interaction_is_the_mean_of_the_prompts_of_equation_4(rng):
    patches, words, mask = tokens(rng)
    expected = np.zeros((B, C))
    for b, c, t in np.ndindex(B, C, T):
        if mask[c, t].any():
            best = [max(p @ w for w in words[c, t][mask[c, t]]) for p in patches[b]]
            expected[b, c] += np.mean(best) / T
    scorer = late()
    classes = scorer.classes({"tokens": tf.constant(words), "mask": tf.constant(mask)})
    scores = scorer.score({"tokens": tf.constant(patches)}, classes)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_texts_are_compared_with_pictures_word_by_word(rng):
    patches, words, mask = tokens(rng)
    expected = np.zeros((C, B))
    for c, b, t in np.ndindex(C, B, T):
        if mask[c, t].any():
            best = [max(w @ p for p in patches[b]) for w in words[c, t][mask[c, t]]]
            expected[c, b] += np.mean(best) / T
    classes = {"tokens": tf.constant(words), "mask": tf.constant(mask)}
    images = {"tokens": tf.constant(patches)}
    scores = late().score_texts(classes, images)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert not np.allclose(expected, late().score(images, classes).numpy().T, atol=0.05)


@pytest.mark.parametrize("pictures_together", [1, 2, 3, 100])
def test_the_number_of_pictures_scored_together_changes_nothing(
    pictures_together, rng, monkeypatch
):
    patches, words, mask = tokens(rng)
    images = {"tokens": tf.constant(patches)}
    classes = {"tokens": tf.constant(words), "mask": tf.constant(mask)}
    expected = late().score(images, classes), late().score_texts(classes, images)
    monkeypatch.setattr(scorers, "_COSINES", pictures_together * 4 * P * C * T * L)
    seen = []
    similarity = scorers.token_similarity
    monkeypatch.setattr(
        scorers, "token_similarity", lambda *t: (seen.append(len(t[0])), similarity(*t))[1]
    )
    np.testing.assert_allclose(late().score(images, classes), expected[0], atol=1e-6)
    together = min(B, pictures_together)
    assert seen == [together] * -(-B // together)
    np.testing.assert_allclose(late().score_texts(classes, images), expected[1], atol=1e-6)


def test_cosines_of_texts_are_those_of_pictures(rng):
    images = {"embedding": tf.constant(unit(rng.normal(size=(B, D))))}
    classes = {"embedding": tf.constant(unit(rng.normal(size=(C, D))))}
    scorer = Cosine(scale=lambda: tf.constant(1.0))
    scores = scorer.score_texts(classes, images)
    assert scores.shape == (C, B)
    np.testing.assert_array_equal(scores, tf.transpose(scorer.score(images, classes)))


def test_positions_averaged_as_in_the_released_code(rng):
    patches = unit(rng.normal(size=(B, P, D))).astype(np.float32)
    words = unit(rng.normal(size=(C, T, L, D))).astype(np.float32)
    expected = np.zeros((B, C))
    for c in range(C):
        mean = words[c].mean(axis=0)
        mean /= np.sqrt(np.sum(mean**2))  # one norm for the whole matrix
        expected[:, c] = (patches @ mean.T).max(axis=-1).mean(axis=-1)
    scorer = late(average_positions=True)
    texts = {"tokens": tf.constant(words), "mask": tf.ones([C, T, L], tf.bool)}
    scores = scorer.score({"tokens": tf.constant(patches)}, scorer.classes(texts))
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_no_pictures_give_no_scores():
    classes = {"tokens": tf.ones([C, T, L, D]), "mask": tf.ones([C, T, L], tf.bool)}
    for score in (late().score, tf.function(late().score)):
        assert score({"tokens": tf.ones([0, P, D])}, classes).shape == (0, C)
    assert late().score_texts(classes, {"tokens": tf.ones([0, P, D])}).shape == (C, 0)


def test_scorers_of_a_method_use_its_temperatures_and_heads():
    method, _ = tiny_method()
    method.logit_scale.assign(1.5)
    method.objectives[1].logit_scale_dense.assign(2.5)
    assert float(cosine(method).scale()) == pytest.approx(np.exp(1.5))
    assert float(late_interaction(method).scale()) == pytest.approx(np.exp(2.5))
    features = ImageFeatures(None, None, tf.random.stateless_normal([B, P, 8], seed=[0, 1]))
    tokens = late_interaction(method).images(features)["tokens"]
    np.testing.assert_allclose(np.linalg.norm(tokens, axis=-1), np.ones((B, P)), rtol=1e-5)


def test_late_interaction_needs_the_fine_grained_objective():
    method, _ = tiny_method()
    plain = Method(
        image_encoder=method.image_encoder,
        text_encoder=method.text_encoder,
        objectives=method.objectives[:1],
        name="plain",
    )
    with pytest.raises(ValueError, match="plain has 0"):
        late_interaction(plain)
