import numpy as np
import pytest

from clipbench_tf.evaluation.accuracy import top_k_credit
from clipbench_tf.evaluation.probes.scoring import scored
from tests.evaluation.probes.samples import features


def sample(classes):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, size=(50, classes))
    return features(list(zip(values, rng.integers(0, classes, size=50), strict=True)))


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_scores_block_by_block_as_all_at_once(block):
    pictures = sample(8)
    found = scored(pictures, "test", lambda v: v, classes=8, known=np.arange(8), block=block)
    for k in (1, 5):
        expected = top_k_credit(pictures.values, pictures.labels, k)
        np.testing.assert_array_equal(found.credits[k], expected)
    np.testing.assert_array_equal(found.predictions, pictures.values.argmax(axis=1))
    np.testing.assert_array_equal(found.scores, pictures.values.max(axis=1))
    assert (found.split, found.classes) == ("test", 8)


def test_a_picture_of_a_class_that_was_not_seen_is_wrong_even_if_ranks_are_left():
    pictures = sample(8)
    known = np.array([1, 4])

    def scores(values):
        return np.where(np.isin(np.arange(8), known), values, -np.inf)

    found = scored(pictures, "test", scores, classes=8, known=known)
    seen = np.isin(pictures.labels, known)
    assert found.credits[5][seen].tolist() == [1] * seen.sum()
    assert not found.credits[5][~seen].any() and not found.credits[1][~seen].any()


@pytest.mark.parametrize(("classes", "ks"), [(2, [1]), (5, [1]), (6, [1, 5])])
def test_top_5_is_left_out_where_it_says_nothing(classes, ks):
    found = scored(sample(classes), "test", lambda v: v, classes=classes, known=np.arange(classes))
    assert list(found.credits) == ks
