"""Is one model better than another on the same pictures? McNemar's test and a paired bootstrap."""

import dataclasses

import numpy as np

LEVEL = 0.05
_DRAWN = 2**22  # counts drawn together, 32 MiB
RULE = (
    "A model is called better if McNemar's exact two-sided test has p < 0.05 and the 95% bootstrap "
    "interval of the difference lies on the same side of 0. A picture is one model's own if its "
    "credit is higher there; pictures of equal credit do not count in the test, and are both "
    "models' if the credit is at least one half."
)


@dataclasses.dataclass(frozen=True)
class Paired:
    """The comparison of two models on the same pictures; accuracies and differences in -1..1.

    Attributes:
        names: of the two models.
        accuracies: mean credit of each.
        difference: that of the first less that of the second.
        interval: 95% bootstrap interval of the difference.
        p: of McNemar's exact two-sided test.
        both: pictures of equal credit, at least one half.
        first_only: pictures for which the first model has more credit.
        second_only: pictures for which the second has more.
        neither: pictures of equal credit below one half.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """

    names: tuple[str, str]
    accuracies: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    p: float
    both: int
    first_only: int
    second_only: int
    neither: int
    resamples: int
    seed: int

    @property
    def pictures(self) -> int:
        """Number of pictures."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def verdict(self) -> str:
        """Of the first model against the second: "better", "worse" or "cannot be told"."""
        low, high = self.interval
        fewer = self.first_only < self.second_only
        if self.p < LEVEL and low > 0 and not fewer:
            return "better"
        if self.p < LEVEL and high < 0 and fewer:
            return "worse"
        return "cannot be told"

    def record(self) -> dict:
        """For a JSON record; fractions."""
        fields = dataclasses.asdict(self)
        return fields | {"pictures": self.pictures, "verdict": self.verdict, "rule": RULE}

    def line(self) -> str:
        """One line of text: the verdict, and what it rests on."""
        first, second = self.names
        verdict = self.verdict
        if verdict == "cannot be told":
            answer = f"whether {first} is better than {second} cannot be told"
        else:
            answer = f"{first} is {verdict} than {second}"
        low, high = (100 * bound for bound in self.interval)
        p = f"p = {self.p:.2g}" if self.p >= 1e-4 else "p < 0.0001"
        return (
            f"{answer}: {self.accuracies[0]:.1%} against {self.accuracies[1]:.1%}, difference "
            f"{100 * self.difference:+.1f} points (95% interval {low:+.1f} to {high:+.1f}), "
            f"McNemar's {p}; of {self.pictures} pictures {self.both} both, {self.first_only} only "
            f"{first}, {self.second_only} only {second}, {self.neither} neither"
        )


def compare(
    first: np.ndarray,
    second: np.ndarray,
    *,
    names: tuple[str, str],
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Compares two models by their credits for the same N pictures, in the same order.

    A picture's credit is 1 if it is right, 0 if not, and between where equal scores make it right
    with some probability. With whole credits the test is McNemar's; with others it is the sign
    test, which is the same on the pictures of unequal credit.

    Args:
        first: credits of one model, [N], in 0..1.
        second: credits of the other.
        names: of the models, for people.
        resamples: number of times that N pictures are drawn with return.
        seed: of these draws.

    Raises:
        ValueError: for credits that cannot be compared.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise ValueError(
            f"{names[0]} has credits of shape {first.shape} and {names[1]} of {second.shape}; give "
            "one for each picture, of the same pictures, of at least one."
        )
    for name, credits in zip(names, (first, second), strict=True):
        if not np.all((credits >= 0) & (credits <= 1)):
            raise ValueError(f"{name} has a credit that is not within 0 to 1; give such only.")
    if resamples < 1:
        raise ValueError(f"{resamples} resamples make no interval; give 1 or more.")
    differences = first - second
    equal, half = differences == 0, first >= 0.5
    first_only, second_only = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    return Paired(
        names=names,
        accuracies=(float(first.mean()), float(second.mean())),
        difference=float(differences.mean()),
        interval=_bootstrap(differences, resamples, seed),
        p=mcnemar(first_only, second_only),
        both=int(np.sum(equal & half)),
        first_only=first_only,
        second_only=second_only,
        neither=int(np.sum(equal & ~half)),
        resamples=resamples,
        seed=seed,
    )


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p-value: of as many fair coins, so unequal a number of heads or more."""
    count = first_only + second_only
    heads = np.arange(min(first_only, second_only) + 1)
    factorials = np.cumsum(np.log(np.maximum(np.arange(count + 1), 1)))  # their logarithms
    ways = factorials[count] - factorials[heads] - factorials[count - heads]
    return min(1.0, 2 * float(np.sum(np.exp(ways - count * np.log(2)))))


def _bootstrap(differences: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """The 2.5% and 97.5% quantiles of the mean of N differences drawn with return.

    How often each distinct difference is drawn is multinomial, which spares drawing N pictures:
    there are three of them, -1, 0 and 1, or a few more where scores were equal.
    """
    values, counts = np.unique(differences, return_counts=True)
    rng = np.random.default_rng(seed)
    size = max(1, _DRAWN // len(values))
    means = [
        rng.multinomial(len(differences), counts / len(differences), size=count) @ values
        for count in np.diff([*range(0, resamples, size), resamples])
    ]
    low, high = np.quantile(np.concatenate(means) / len(differences), [0.025, 0.975])
    return float(low), float(high)
