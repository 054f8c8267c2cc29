"""Multinomial logistic regression on features, with an L2 penalty, by scikit-learn's L-BFGS."""

import dataclasses
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from clipbench_tf.evaluation.accuracy import top_k_credit

MAX_ITERATIONS = 5000  # of L-BFGS in one fit: five times what the last fit of 714 classes took
_BLOCK = 1024  # pictures scored together


@dataclasses.dataclass(frozen=True)
class LogisticFit:
    """A fitted regression.

    Attributes:
        known: labels of the K classes it was shown, ascending.
        weights: float64 [K, D], for features as they are.
        bias: float64 [K].
        converged: whether it ended before the last of its steps.
        steps: of L-BFGS.
    """

    known: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    converged: bool
    steps: int

    def scores(self, features: np.ndarray, classes: int) -> np.ndarray:
        """Logits of features [B, D], float64 [B, classes]; -inf for classes it was not shown."""
        scores = np.full([len(features), classes], -np.inf)
        scores[:, self.known] = features @ self.weights.T + self.bias
        return scores

    def quality(self, features: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """(accuracy, -cross-entropy) on features [N, D] of classes it was shown.

        The latter decides between strengths of equal accuracy.
        """
        right, total = 0.0, 0.0
        places = np.searchsorted(self.known, labels)
        for start in range(0, len(labels), _BLOCK):
            some = slice(start, start + _BLOCK)
            scores, own = features[some] @ self.weights.T + self.bias, places[some]
            right += top_k_credit(scores, own, 1).sum()
            scores -= scores.max(axis=1, keepdims=True)
            likelihood = scores[np.arange(len(own)), own] - np.log(np.exp(scores).sum(axis=1))
            total += likelihood.sum()
        return float(right / len(labels)), float(total / len(labels))


class Keep:
    """Where fits are kept, so that a killed probe goes on. This one keeps none."""

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """What was kept by that name."""
        return None

    def keep(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Takes arrays."""


class Logistic:
    """Fits the same pictures at several strengths, each from the nearest one fitted before.

    Minimises C * sum of the cross-entropies + |W|^2 / 2; the bias is free. Features are centred
    and divided by one number, so that a component varies by 1 on average. That changes nothing but
    the unit of C, which then means the same for every model; directions in which the features vary
    much keep their weight, as they would not if each component were standardised by itself. L-BFGS
    ends where no component of the gradient of the mean cross-entropy is above `tolerance`, or where
    the loss falls by less than `precision` can tell.

    Memory: N D numbers for the features and 2 N K while it fits, of 4 bytes in float32, else of 8.

    Args:
        features: [N, D], finite.
        labels: int64 [N], of two classes or more.
        max_iterations: of L-BFGS in one fit.
        tolerance: see above. scikit-learn's own 1e-4 is the size of the gradient itself where
            there are a thousand classes.
        precision: float64, or float32, which takes half the time and ends sooner.
        keep: where fits are kept, from which none is done again.
        name: by which they are kept, with their strength.
        begin: what the first fit begins with, e.g. one on some of the pictures.
    """

    def __init__(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        *,
        max_iterations: int = MAX_ITERATIONS,
        tolerance: float = 1e-6,
        precision: type[np.floating] = np.float64,
        keep: Keep | None = None,
        name: str = "fit",
        begin: LogisticFit | None = None,
    ) -> None:
        self._center = features.mean(axis=0, dtype=np.float64)
        self._inputs = features - self._center
        spread = np.sqrt(np.mean(np.square(self._inputs)))
        # Features that are all alike are off their mean by a rounding, which is no spread.
        rounding = 1e-6 * np.sqrt(np.mean(np.square(self._center)))
        self._unit = float(spread) if spread > rounding else 1.0
        self._inputs = (self._inputs / self._unit).astype(precision, copy=False)
        self._labels = labels
        self._max_iterations, self._tolerance = max_iterations, tolerance
        self._fitted: dict[float, dict[str, np.ndarray]] = {}
        self._keep, self._name, self._begin = keep or Keep(), name, begin
        self.cost = len(labels) * np.dtype(precision).itemsize  # of a step, relative to others

    def done(self, strength: float) -> bool:
        """Whether `fit` has the regression at `strength` already."""
        if strength not in self._fitted:
            kept = self._keep.kept(self._file(strength))
            if kept is not None and "steps" in kept:  # earlier versions ended a fit earlier
                self._fitted[strength] = kept
        return strength in self._fitted

    def fit(self, strength: float) -> LogisticFit:
        """The regression at C = `strength`, scikit-learn's inverse strength of the penalty."""
        if not self.done(strength):
            found = self._fitted[strength] = self._solved(strength)
            self._keep.keep(self._file(strength), found)
        found = self._fitted[strength]
        known = np.unique(self._labels)
        weights, bias = found["weights"].astype(np.float64) / self._unit, found["bias"]
        if len(known) == 2:  # scikit-learn has one logit then, of the second class
            weights, bias = (np.concatenate([0 * value, value]) for value in (weights, bias))
        return LogisticFit(
            known=known,
            weights=weights,
            bias=bias - weights @ self._center,
            converged=bool(found["converged"]),
            steps=found["steps"].item(),
        )

    def _file(self, strength: float) -> str:
        return f"{self._name}-{strength:.3e}"

    def _solved(self, strength: float) -> dict[str, np.ndarray]:
        """scikit-learn's coefficients and intercepts, and whether it converged."""
        model = LogisticRegression(
            C=strength,
            solver="lbfgs",
            max_iter=self._max_iterations,
            tol=self._tolerance,
            warm_start=True,
        )
        if self._fitted:
            nearest = min(self._fitted, key=lambda other: abs(np.log(other / strength)))
            model.coef_ = self._fitted[nearest]["weights"]
            model.intercept_ = self._fitted[nearest]["bias"]
        elif self._begin is not None and np.array_equal(self._begin.known, np.unique(self._labels)):
            logits = slice(len(self._begin.known) == 2, None)
            weights, bias = self._begin.weights[logits], self._begin.bias[logits]
            model.coef_, model.intercept_ = weights * self._unit, bias + weights @ self._center
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(self._inputs, self._labels)
        converged = not any(issubclass(w.category, ConvergenceWarning) for w in told)
        return {
            "weights": model.coef_,
            "bias": model.intercept_,
            "converged": np.array(converged),
            "steps": model.n_iter_,
        }
