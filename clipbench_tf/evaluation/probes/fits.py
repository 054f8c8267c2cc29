"""The fits of linear probes, one after the other, and how far they are."""

from collections.abc import Sequence

from clipbench_tf.evaluation.probes.features import Told
from clipbench_tf.evaluation.probes.logistic import Logistic, LogisticFit
from clipbench_tf.evaluation.probes.regularization import TRIES

USUAL = 100  # steps of a fit of a search, as long as few are known; this weighs as much as
FEW = 4  # of them
LONGER = 3  # times the steps of the longest fit of a search: what the last fit is thought to take
LAST = 8  # bytes of a number in the last fit, which is of all pictures


class Fits:
    """Makes the fits of some probes, and tells before each, and at the end, how far they are.

    A fit costs the steps that L-BFGS takes, each as much as its `Logistic.cost`. What is told are
    steps that cost as much as those of the first fit, so that their speed stays the same. Their
    number is an estimate, made anew each time: further fits of a search take as many steps as those
    before on average, the last fit, which goes on for longer, `LONGER` times as many as the longest
    one; other probes cost as much for each of their pictures as the finished ones, or this one.

    Args:
        pictures: how many each probe is fitted on in the end, in the order of the probes.
        told: is told of the progress.
    """

    def __init__(self, pictures: Sequence[int], told: Told) -> None:
        self._pictures, self._told = pictures, told
        self._finished: list[float] = []  # costs of probes
        self._steps: list[int] = []  # of the fits of the present one
        self._spent, self._unit = 0.0, 0.0  # on the present one; of a step

    def fit(self, logistic: Logistic, strength: float, *, last: bool = False) -> LogisticFit:
        """The fit at `strength`; the `last` one of a probe, with which it is finished."""
        self._unit = self._unit or logistic.cost
        if not logistic.done(strength):
            self._tell(self._left(logistic.cost, last))
        fit = logistic.fit(strength)
        self._spent += fit.steps * logistic.cost
        self._steps.append(fit.steps)
        if last:
            self._finished.append(self._spent)
            self._spent, self._steps = 0.0, []
            if len(self._finished) == len(self._pictures):
                self._tell(0.0)
        return fit

    def _left(self, cost: float, last: bool) -> float:
        """What is left of the present probe, if its next fit has steps of this `cost`."""
        usual = (FEW * USUAL + sum(self._steps)) / (FEW + len(self._steps))
        final = LONGER * max([usual, *self._steps])
        if last:
            return final * cost
        search = max(1, TRIES - len(self._steps)) * usual * cost
        return search + final * LAST * self._pictures[len(self._finished)]

    def _tell(self, left: float) -> None:
        number, done = len(self._finished), sum(self._finished) + self._spent
        before, here = sum(self._pictures[:number]), sum(self._pictures[number : number + 1])
        each = sum(self._finished) / before if before else (self._spent + left) / here
        total = done + left + each * sum(self._pictures[number + 1 :])
        self._told("steps of the probe", round(done / self._unit), round(total / self._unit))
