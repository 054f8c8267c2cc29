"""The compiled similarity equals equation 4 by hand in value and gradient, for any block size."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import hardware
from clipbench_tf.objectives.similarity import maximum
from clipbench_tf.objectives.similarity.blockwise_similarity import both_ways, one_way
from tests.objectives import reference
from tests.objectives.samples import assert_close


def sample(queries, keys, width=5, seed=0):
    """Unit tokens with ties, and masks with a wholly masked item on either side."""
    rng = np.random.default_rng(seed)
    tokens = [reference.normalized(rng.normal(size=(*s, width))) for s in (queries, keys)]
    masks = [rng.random(s) < 0.7 for s in (queries, keys)]
    for mask in masks:
        mask[:, 0] = True
        mask[-1] = len(mask) == 1
    tokens[1][:, -1] = tokens[1][:, 0]  # every query finds two best keys
    tokens[0][:, -1] = tokens[0][:, 0]
    return tokens, masks


def gradients_by_hand(queries, query_mask, keys, key_mask, upstream):
    """One direction: the gradient of each maximum goes to the token that attains it."""
    of_queries, of_keys = np.zeros_like(queries), np.zeros_like(keys)
    for i, j in np.ndindex(upstream.shape):
        places = np.flatnonzero(key_mask[j])
        for k in np.flatnonzero(query_mask[i]) if len(places) else ():
            winner = places[np.argmax(keys[j, places] @ queries[i, k])]
            share = upstream[i, j] / query_mask[i].sum()
            of_queries[i, k] += share * keys[j, winner]
            of_keys[j, winner] += share * queries[i, k]
    return of_queries, of_keys


SHAPES = [
    ((4, 5), (3, 6)),
    ((1, 2), (1, 2)),
    ((3, 7), (7, 4)),
    ((2, 1), (5, 3)),
    ((2, 9), (40, 11)),
]


def cosines(shapes, items: int) -> int:
    """The number of cosines in memory for blocks of `items` key items."""
    (count, queries), (_, keys) = shapes
    return count * queries * keys * items


@pytest.mark.parametrize("on_gpu", [False, True], ids=["in_parts", "compiled_whole"])
@pytest.mark.parametrize(
    ("shapes", "items"),  # an odd end, one item, one by one, all at once, 16 of 17
    [(SHAPES[0], 2), (SHAPES[1], 1), (SHAPES[2], 1), (SHAPES[3], 5), (SHAPES[4], 17)],
)
def test_value_and_gradient(shapes, items, on_gpu, monkeypatch):
    monkeypatch.setattr(hardware, "on_gpu", lambda: on_gpu)
    block = cosines(shapes, items)
    tokens, masks = sample(*shapes)
    rng = np.random.default_rng(1)
    of_queries = rng.normal(size=(len(masks[0]), len(masks[1])))
    of_keys = rng.normal(size=of_queries.T.shape)
    q, k = (tf.constant(t, tf.float32) for t in tokens)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([q, k])
        one = one_way(q, masks[0], k, masks[1], block)
        both = both_ways(q, masks[0], k, masks[1], block)
        first = tf.reduce_sum(one * of_queries)
        second = tf.reduce_sum(both[0] * of_queries) + tf.reduce_sum(both[1] * of_keys)
    expected = reference.token_similarity(tokens[0], masks[0], tokens[1], masks[1])
    turned = reference.token_similarity(tokens[1], masks[1], tokens[0], masks[0])
    assert_close([one, *both], [expected, expected, turned])
    by_hand = gradients_by_hand(tokens[0], masks[0], tokens[1], masks[1], of_queries)
    assert_close(_by_token(tape.gradient(first, [q, k])), _by_token(by_hand))
    other = gradients_by_hand(tokens[1], masks[1], tokens[0], masks[0], of_keys)
    by_hand = [one + two for one, two in zip(by_hand, other[::-1], strict=True)]
    assert_close(_by_token(tape.gradient(second, [q, k])), _by_token(by_hand))


def _by_token(gradients):
    """Gradients of equal tokens summed: rounding decides which of them is the maximum."""
    joined = []
    for gradient in gradients:
        gradient = np.array(gradient)
        if gradient.shape[1] > 1:
            gradient[:, 0] += gradient[:, -1]
            gradient = gradient[:, :-1]
        joined.append(gradient)
    return joined


@pytest.fixture(params=[True, False], ids=["in_parts", "in_float32"])
def cpu_has_bfloat16(request, monkeypatch):
    """A CPU with bfloat16 instructions (TensorFlow emulates missing ones), and one without."""
    monkeypatch.setattr(hardware, "cpu_bfloat16", lambda: "avx512_bf16" if request.param else None)


@pytest.mark.bfloat16
@pytest.mark.usefixtures("cpu_has_bfloat16")
@pytest.mark.parametrize("items", [2, 5], ids=["odd", "whole"])
def test_bfloat16_gradient(items):
    shapes = (4, 9), (5, 7)
    block = cosines(shapes, items)
    tokens, masks = sample(*shapes, width=64)
    q, k = (tf.constant(t, tf.bfloat16) for t in tokens)
    rng = np.random.default_rng(1)
    upstream = rng.normal(size=(4, 5)), rng.normal(size=(5, 4))
    with tf.GradientTape() as tape:
        tape.watch([q, k])
        both = both_ways(q, masks[0], k, masks[1], block)
        total = tf.add_n([tf.reduce_sum(b * u) for b, u in zip(both, upstream, strict=True)])
    rounded = [tf.cast(t, tf.float64).numpy() for t in (q, k)]
    by_hand = gradients_by_hand(rounded[0], masks[0], rounded[1], masks[1], upstream[0])
    other = gradients_by_hand(rounded[1], masks[1], rounded[0], masks[0], upstream[1])
    by_hand = [one + two for one, two in zip(by_hand, other[::-1], strict=True)]
    found = [tf.cast(g, tf.float64) for g in tape.gradient(total, [q, k])]
    for one, expected in zip(_by_token(found), _by_token(by_hand), strict=True):
        # Two equal cosines in bfloat16 may differ in float64: rarely, another token wins.
        assert np.linalg.norm(one - expected) < 0.02 * np.linalg.norm(expected)


@pytest.mark.bfloat16
@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16, tf.float32], ids=lambda d: d.name)
@pytest.mark.parametrize("on_gpu", [False, True], ids=["at_once", "in_groups"])
def test_the_packed_maximum_is_exact(on_gpu, dtype, monkeypatch):
    monkeypatch.setattr(hardware, "on_gpu", lambda: on_gpu)
    rng = np.random.default_rng(0)
    cosines = tf.cast(rng.normal(size=(77, 3, 49, 40)) - 1.0, dtype)
    cosines = tf.where(rng.random(cosines.shape) < 0.01, tf.constant(-0.0, dtype), cosines)
    cosines = tf.where(rng.random(cosines.shape) < 0.001, tf.constant(-np.inf, dtype), cosines)
    for axis in (0, 2):
        best, winners = maximum.packed_maximum(cosines, axis)
        np.testing.assert_array_equal(best, tf.reduce_max(tf.cast(cosines, tf.float32), axis))
        winners = tf.expand_dims(tf.cast(winners, tf.int64), axis).numpy()
        won = np.take_along_axis(tf.cast(cosines, tf.float32).numpy(), winners, axis)
        np.testing.assert_array_equal(np.squeeze(won, axis), best)


@pytest.mark.bfloat16
@pytest.mark.usefixtures("cpu_has_bfloat16")
def test_nan_reaches_the_gradients():
    tokens, masks = sample((3, 4), (2, 5))
    for place in range(2):
        q, k = (np.array(t) for t in tokens)
        (q, k)[place][0, 0] = np.nan
        q, k = tf.constant(q, tf.bfloat16), tf.constant(k, tf.bfloat16)
        with tf.GradientTape() as tape:
            tape.watch([q, k])
            total = tf.reduce_sum(one_way(q, masks[0], k, masks[1]))
        gradients = tape.gradient(total, [q, k])
        assert not all(np.isfinite(tf.cast(g, tf.float32)).all() for g in gradients)


@pytest.mark.bfloat16
@pytest.mark.usefixtures("cpu_has_bfloat16")
def test_bfloat16_cosines_are_averaged_in_float32():
    tokens, masks = sample((4, 49), (3, 20), width=64)
    q, k = (tf.constant(t, tf.bfloat16) for t in tokens)
    with tf.GradientTape() as tape:
        tape.watch([q, k])
        both = both_ways(q, masks[0], k, masks[1])
        total = tf.reduce_sum(both[0])
    assert [b.dtype for b in both] == [tf.float32] * 2
    assert [g.dtype for g in tape.gradient(total, [q, k])] == [tf.bfloat16] * 2
    rounded = [tf.cast(t, tf.float64).numpy() for t in (q, k)]
    expected = reference.token_similarity(rounded[0], masks[0], rounded[1], masks[1])
    np.testing.assert_allclose(both[0], expected, atol=2**-9)  # a cosine's own rounding


def test_one_graph_serves_all_batches():
    spec = tf.TensorSpec([None, None, 5]), tf.TensorSpec([None, None], tf.bool)
    graph = tf.function(one_way, input_signature=[*spec, *spec])
    for shapes in SHAPES[:2]:
        tokens, masks = sample(*shapes)
        arguments = (tokens[0], masks[0], tokens[1], masks[1])
        inputs = [tf.constant(x, s.dtype) for x, s in zip(arguments, [*spec, *spec], strict=True)]
        assert_close([graph(*inputs)], [reference.token_similarity(*arguments)])
