"""The regression against its definition, minimised by SciPy."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from clipbench_tf.evaluation.probes.logistic import Keep, Logistic
from tests.evaluation.probes.samples import blobs, features


def by_hand(values, labels, strength, classes):
    """Probabilities [N, C] of the regression on features of mean 0 and unit spread."""
    inputs = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    inputs /= np.sqrt(np.mean(inputs**2))
    width = inputs.shape[1]

    def loss(flat):
        weights, bias = flat[:-classes].reshape(width, classes), flat[-classes:]
        scores = log_softmax(inputs @ weights + bias, axis=1)
        own = np.eye(classes)[labels]
        error = np.exp(scores) - own
        slope = np.concatenate([(inputs.T @ error + weights / strength).ravel(), error.sum(axis=0)])
        return -np.sum(scores * own) + np.sum(weights**2) / (2 * strength), slope

    start = np.zeros((width + 1) * classes)
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 5000})
    weights, bias = found.x[:-classes].reshape(width, classes), found.x[-classes:]
    return log_softmax(inputs @ weights + bias, axis=1)


@pytest.mark.parametrize("strength", [0.01, 1.0, 30.0])
def test_equals_the_minimum_of_its_definition(strength):
    made = features(blobs(np.random.default_rng(0), 60, classes=3, width=4))
    fit = Logistic(made.values, made.labels, tolerance=1e-9).fit(strength)
    expected = by_hand(made.values, made.labels, strength, 3)
    found = log_softmax(fit.scores(made.values, 3), axis=1)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert fit.converged


def test_two_classes_are_one_logit():
    made = features(blobs(np.random.default_rng(0), 60, classes=2, width=4))
    fit = Logistic(made.values, made.labels, tolerance=1e-9).fit(2.0)
    # The penalty of w is that of two vectors, w / 2 and -w / 2, at half the C.
    expected = by_hand(made.values, made.labels, 1.0, 2)
    found = log_softmax(fit.scores(made.values, 2), axis=1)
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("classes", [2, 5])
def test_it_may_begin_with_another_fit(classes, monkeypatch):
    made = features(blobs(np.random.default_rng(6), 200, classes=classes, noise=2.0))
    part = Logistic(made.values[:150], made.labels[:150], tolerance=1e-9).fit(1.0)
    steps, fit = [], LogisticRegression.fit
    monkeypatch.setattr(
        LogisticRegression,
        "fit",
        lambda self, *a: (fit(self, *a), steps.append(int(self.n_iter_[0])))[0],
    )
    fresh = Logistic(made.values, made.labels, tolerance=1e-9).fit(1.0)
    begun = Logistic(made.values, made.labels, tolerance=1e-9, begin=part).fit(1.0)
    same = Logistic(made.values, made.labels, tolerance=1e-6, begin=fresh).fit(1.0)
    for other in (begun, same):
        np.testing.assert_allclose(
            other.scores(made.values, classes), fresh.scores(made.values, classes), atol=1e-4
        )
    assert steps[1] < steps[0] and steps[2] == 0


def test_labels_may_have_gaps_and_classes_not_shown_get_no_score():
    made = features(blobs(np.random.default_rng(0), 60, classes=3))
    whole = Logistic(made.values, made.labels).fit(1.0)
    fit = Logistic(made.values, np.array([1, 4, 6])[made.labels]).fit(1.0)
    scores = fit.scores(made.values, 8)
    assert fit.known.tolist() == [1, 4, 6]
    np.testing.assert_allclose(scores[:, [1, 4, 6]], whole.scores(made.values, 3))
    assert np.all(scores[:, [0, 2, 3, 5, 7]] == -np.inf)


def test_neither_unit_nor_origin_of_the_features_matters():
    made = features(blobs(np.random.default_rng(1), 80, classes=4))
    first = Logistic(made.values, made.labels, tolerance=1e-9).fit(0.5)
    other = made.values * np.float32(1000) + np.float32(250)
    second = Logistic(other, made.labels, tolerance=1e-9).fit(0.5)
    np.testing.assert_allclose(
        second.scores(other, 4), first.scores(made.values, 4), rtol=1e-3, atol=1e-3
    )


def test_components_keep_their_relative_sizes():
    # By size alone the first component decides; standardised one by one both would count alike.
    rng = np.random.default_rng(2)
    labels = np.arange(40) % 2
    values = np.stack([5.0 * labels, 0.05 * labels], axis=1) + [1, 0.01] * rng.normal(size=(40, 2))
    fit = Logistic(values.astype(np.float32), labels).fit(0.01)
    weights = fit.weights[1]
    assert weights[0] > 10 * weights[1] > 0


def test_a_strength_gives_the_same_whatever_was_fitted_before():
    made = features(blobs(np.random.default_rng(3), 80))
    fresh = Logistic(made.values, made.labels, tolerance=1e-9).fit(1.0)
    used = Logistic(made.values, made.labels, tolerance=1e-9)
    for strength in (1e-6, 1e3, 0.3):
        used.fit(strength)
    np.testing.assert_allclose(
        used.fit(1.0).scores(made.values, 7), fresh.scores(made.values, 7), atol=1e-4
    )


def test_says_whether_it_converged_and_warns_nobody(recwarn):
    made = features(blobs(np.random.default_rng(4), 80))
    short = Logistic(made.values, made.labels, max_iterations=2).fit(10.0)
    assert (short.converged, short.steps) == (False, 2)
    whole = Logistic(made.values, made.labels).fit(10.0)
    assert whole.converged and 2 < whole.steps < 5000
    assert not recwarn.list


def test_features_that_are_all_alike_give_how_common_the_classes_are():
    labels = np.array([0, 0, 0, 1, 1, 2])
    fit = Logistic(np.full([6, 3], 0.1, np.float32), labels, tolerance=1e-9).fit(1.0)
    chances = np.exp(log_softmax(fit.scores(np.full([1, 3], 0.1, np.float32), 3), axis=1))
    np.testing.assert_allclose(chances[0], [3 / 6, 2 / 6, 1 / 6], atol=1e-5)


def test_quality_is_accuracy_and_cross_entropy():
    made = features(blobs(np.random.default_rng(5), 3000, classes=3))
    labels = np.array([1, 4, 6])[made.labels]
    fit = Logistic(made.values[:50], labels[:50]).fit(1.0)
    scores = fit.scores(made.values, 7)
    own = log_softmax(scores, axis=1)[np.arange(3000), labels]
    found = fit.quality(made.values, labels)
    assert found == pytest.approx((np.mean(scores.argmax(axis=1) == labels), own.mean()))
    assert 0.3 < found[0] < 1


def test_a_kept_fit_is_taken_unless_it_lacks_its_steps_as_those_of_earlier_versions_do():
    made = features(blobs(np.random.default_rng(7), 80))
    kept = {}

    class Memory(Keep):
        def kept(self, name):
            return kept.get(name)

        def keep(self, name, arrays):
            kept[name] = arrays

    first = Logistic(made.values, made.labels, keep=Memory()).fit(1.0)
    again = Logistic(made.values, made.labels, keep=Memory())
    assert again.done(1.0) and again.fit(1.0).steps == first.steps > 0
    del kept["fit-1.000e+00"]["steps"]
    assert not Logistic(made.values, made.labels, keep=Memory()).done(1.0)
