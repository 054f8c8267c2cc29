import numpy as np
import pytest

from clipbench_tf.evaluation.probes.regularization import STRENGTHS, search


@pytest.mark.parametrize("peak", range(97))
def test_finds_every_single_peak_in_at_most_15_tries(peak):
    tried = []

    def quality(strength):
        tried.append(strength)
        return 0.5, -(abs(np.log(strength / STRENGTHS[peak])) ** 1.5)

    assert search(quality) == STRENGTHS[peak]
    assert len(tried) <= 15 and len(set(tried)) == len(tried)


def test_tries_96_steps_on_a_logarithmic_scale():
    assert (STRENGTHS[0], STRENGTHS[-1], len(STRENGTHS)) == (1e-6, 1e6, 97)
    np.testing.assert_allclose(STRENGTHS[1:] / STRENGTHS[:-1], 10 ** (1 / 8))


def test_of_equal_ones_the_lowest_is_taken_and_accuracy_comes_first():
    assert search(lambda strength: (1.0, 0.0)) == STRENGTHS[0]
    found = search(lambda s: (float(s >= 0.9), -float(s)))
    assert 0.9 <= found < 1.1
