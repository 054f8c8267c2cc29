"""Fine-grained alignment against NumPy: equation 4, masks, selection, temperature."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.similarity.token_selection import (
    batch_scores,
    keep_best,
    own_pair_scores,
)
from clipbench_tf.objectives.similarity.token_similarity import token_similarity
from tests.objectives import reference
from tests.objectives.samples import (
    arrays,
    assert_close,
    features,
    loss_and_gradients,
    on_two_replicas,
    rows,
)


def unit_tokens(rng, *shape):
    return reference.normalized(rng.normal(size=shape))


def keys_by_hand(images, texts, mask, keep, own_pair):
    """Masks of the selected tokens, the keys, by the definition of each score."""
    image_scores, text_scores = np.zeros(images.shape[:2]), np.zeros(texts.shape[:2])
    for i, p in np.ndindex(image_scores.shape):
        cosines = [texts[j, k] @ images[i, p] for j, k in np.argwhere(mask)]
        own = [texts[i, k] @ images[i, p] for k in np.flatnonzero(mask[i])]
        image_scores[i, p] = sum(own) if own_pair else max(cosines)
    for j, k in np.ndindex(text_scores.shape):
        cosines = images @ texts[j, k]
        text_scores[j, k] = cosines[j].sum() if own_pair else cosines.max()
    return (
        reference.best_tokens(image_scores, np.ones(images.shape[:2], bool), keep),
        reference.best_tokens(text_scores, mask, keep),
    )


CASES = {
    "paper": ({}, lambda n: math.ceil(0.25 * n)),
    "half": ({"selection": 0.5}, lambda n: math.ceil(0.5 * n)),
    "all": ({"selection": 1.0}, lambda n: n),
    "released": (
        {"selection_count": 3, "selection_score": "own_pair", "count_padding": True},
        lambda n: min(3, n),
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_value_and_gradient(case):
    arguments, keep = CASES[case]
    sample = features(3)
    objective = FineGrained(width=5, temperature=0.2, **arguments)
    objective(sample)
    weights = [
        w.value
        for layer in (objective.image_mapping, objective.text_mapping)
        for w in (layer.kernel, layer.bias)
    ]
    sources = [sample.images[0].tokens, sample.texts[0].tokens, *weights]
    sources.append(objective.logit_scale_dense.value)
    loss, gradients = loss_and_gradients(objective, sample, sources)
    mask = sample.texts[0].mask.numpy()
    if arguments.get("count_padding"):
        mask = np.ones_like(mask)

    def mapped(image_tokens, text_tokens, image_kernel, image_bias, text_kernel, text_bias):
        return image_tokens @ image_kernel + image_bias, text_tokens @ text_kernel + text_bias

    images, texts = map(reference.normalized, mapped(*arrays(sources[:6])))
    keys = keys_by_hand(
        images, texts, mask, keep, own_pair=arguments.get("selection_score") == "own_pair"
    )

    def by_hand(*arrays):
        return reference.fine_grained(*mapped(*arrays[:6]), mask, np.exp(arrays[6]), *keys)

    assert_close([loss], [by_hand(*arrays(sources))])
    assert_close(gradients, reference.numeric_gradients(by_hand, *arrays(sources)))


def test_two_replicas_select_among_their_own_and_contrast_with_all(two_replicas):
    sample = features(6)
    parts = rows(sample, slice(0, 3)), rows(sample, slice(3, 6))
    with two_replicas.scope():
        objective = FineGrained(width=5)
        objective(sample)
    losses = on_two_replicas(two_replicas, lambda part: objective(part, training=True), parts)
    tokens = [
        arrays([objective.image_tokens(p.images[0]), *objective.text_tokens(p.texts[0])])
        for p in parts
    ]
    keys = [keys_by_hand(*part, CASES["paper"][1], own_pair=False) for part in tokens]
    joined = [np.concatenate(pair) for pair in zip(*tokens, strict=True)]
    joined += [np.concatenate(pair) for pair in zip(*keys, strict=True)]
    expected = reference.fine_grained(*joined[:3], 1 / 0.07, *joined[3:])
    assert_close([sum(losses) / 2], [expected])


def test_similarity_is_equation_4_with_masks():
    rng = np.random.default_rng(0)
    queries, keys = unit_tokens(rng, 3, 4, 5), unit_tokens(rng, 2, 6, 5)
    query_mask, key_mask = rng.random((3, 4)) < 0.5, rng.random((2, 6)) < 0.5
    query_mask[0], key_mask[1] = False, False
    ours = token_similarity(
        tf.constant(queries, tf.float32),
        tf.constant(query_mask),
        tf.constant(keys, tf.float32),
        tf.constant(key_mask),
    )
    assert_close([ours], [reference.token_similarity(queries, query_mask, keys, key_mask)])
    assert np.all(ours[0] == 0) and np.all(ours[:, 1] == 0)


def test_best_cosines_below_zero_count():
    query, key = tf.constant([[[1.0, 0.0]]]), tf.constant([[[-1.0, 0.0], [1.0, 0.0]]])
    mask = tf.constant([[True, False]])
    assert_close([token_similarity(query, tf.constant([[True]]), key, mask)], [[[-1.0]]])


@pytest.mark.parametrize("selection", [0.25, 1.0])
def test_padding_changes_nothing(selection):
    sample = features(4)
    objective = FineGrained(width=5, selection=selection)
    loss = objective(sample)
    text = sample.texts[0]
    longer = text._replace(
        tokens=tf.concat([text.tokens, 9 * tf.ones([4, 5, 7])], axis=1),
        mask=tf.pad(text.mask, [[0, 0], [0, 5]]),
    )
    other = tf.where(text.mask[..., None], text.tokens, -7.0)
    for changed in (longer, text._replace(tokens=other)):
        assert_close([objective(sample._replace(texts=(changed,)))], [loss])


def test_texts_without_words_are_finite_and_move_nothing():
    sample = features(3)
    text = sample.texts[0]._replace(mask=tf.zeros([3, 8], tf.bool))
    loss, gradients = loss_and_gradients(FineGrained(width=5), sample._replace(texts=(text,)))
    np.testing.assert_allclose(loss, np.log(3), rtol=1e-6)
    assert all(np.abs(g).max() == 0 for g in gradients)


def test_all_alike_gives_log_batch():
    sample = features(4)
    image = sample.images[0]._replace(tokens=tf.ones([4, 4, 9]))
    text = sample.texts[0]._replace(tokens=tf.ones([4, 8, 7]), mask=tf.ones([4, 8], tf.bool))
    loss = FineGrained(width=5)(sample._replace(images=(image,), texts=(text,)))
    np.testing.assert_allclose(loss, np.log(4), rtol=1e-5)


def test_scores_have_no_gradient():
    images = tf.random.stateless_normal([2, 3, 4], seed=[0, 1])
    texts = tf.random.stateless_normal([2, 5, 4], seed=[0, 2])
    for scores in (batch_scores, own_pair_scores):
        with tf.GradientTape() as tape:
            tape.watch([images, texts])
            of_images, of_texts = scores(images, texts, tf.ones([2, 5], tf.bool))
            total = tf.reduce_sum(of_images) + tf.reduce_sum(of_texts)
        assert tape.gradient(total, [images, texts]) == [None, None]


@pytest.mark.parametrize(
    ("share", "count", "expected"),
    [(0.25, None, [1, 3, 0]), (0.1, None, [1, 1, 0]), (1.0, None, [3, 10, 0]), (0.5, 4, [3, 4, 0])],
)
def test_number_of_tokens_kept(share, count, expected):
    rng = np.random.default_rng(0)
    tokens, scores = rng.normal(size=(3, 10, 2)), rng.normal(size=(3, 10))
    mask = np.zeros((3, 10), bool)
    mask[0, 4:7] = mask[1] = True
    kept, filled = keep_best(
        tf.constant(tokens), tf.constant(mask), tf.constant(scores, tf.float32), share, count
    )
    np.testing.assert_array_equal(tf.reduce_sum(tf.cast(filled, tf.int32), axis=1), expected)
    best = reference.best_tokens(scores, mask, lambda n: expected[[3, 10, 0].index(n)])
    for row in range(3):
        ours = sorted(map(tuple, kept[row].numpy()[filled[row].numpy()]))
        assert ours == sorted(map(tuple, tokens[row][best[row]]))


def test_share_of_a_whole_number_is_not_rounded_up():
    tokens = tf.zeros([1, 25, 2])
    kept, filled = keep_best(tokens, tf.ones([1, 25], tf.bool), tf.zeros([1, 25]), 0.6, None)
    assert kept.shape[1] == 15 and filled.numpy().all()


def test_temperature_stays_in_its_range():
    sample = features(3)
    objective = FineGrained(width=5)
    objective(sample)
    np.testing.assert_allclose(objective.logit_scale_dense, math.log(1 / 0.07), rtol=1e-6)
    optimizer = keras.optimizers.SGD(1e6)
    for gradient, bound in ((-1.0, math.log(100)), (1.0, 0.0)):
        optimizer.apply([tf.constant(gradient)], [objective.logit_scale_dense])
        np.testing.assert_allclose(objective.logit_scale_dense, bound, atol=1e-6)


def test_tokens_for_scoring():
    sample = features(3)
    objective = FineGrained(width=5)
    objective(sample)
    images = objective.image_tokens(sample.images[0])
    texts, mask = objective.text_tokens(sample.texts[0])
    for tokens, shape in ((images, (3, 4, 5)), (texts, (3, 8, 5))):
        assert tokens.shape == shape and tokens.dtype == tf.float32
        np.testing.assert_allclose(np.linalg.norm(tokens, axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(mask, sample.texts[0].mask)
    assert FineGrained(width=5, count_padding=True).text_tokens(sample.texts[0])[1].numpy().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"selection": 0.0}, "selection is"),
        ({"selection": 1.5}, "selection is"),
        ({"selection_count": 0}, "selection_count is"),
        ({"selection_score": "worst"}, "batch, own_pair"),
        ({"temperature": 2.0}, "outside temperature_range"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FineGrained(**arguments)
