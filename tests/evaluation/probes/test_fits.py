"""The steps that are told, beside those that were made and a plain sum of those to come."""

import numpy as np
import pytest

from clipbench_tf.evaluation.probes.fits import FEW, LAST, LONGER, USUAL, Fits
from clipbench_tf.evaluation.probes.regularization import TRIES


class Fit:
    def __init__(self, steps):
        self.steps = steps


class Fitted:
    """Stands in for a `Logistic`: its fits take `steps`, each at a cost."""

    def __init__(self, cost, steps, kept=()):
        self.cost, self.steps, self.kept, self.made = cost, list(steps), kept, []

    def done(self, strength):
        return strength in self.kept

    def fit(self, strength):
        self.made.append(strength)
        return Fit(self.steps[len(self.made) - 1])


def probed(fits, search, last):
    for strength in range(len(search.steps)):
        fits.fit(search, strength)
    fits.fit(last, 0, last=True)


def usual(steps):
    return np.mean([USUAL] * FEW + steps)


def told_by(pictures):
    told = []
    return told, Fits(pictures, lambda what, done, total: told.append((what, done, total)))


def test_what_is_left_is_the_mean_of_the_search_and_a_longer_last_fit():
    told, fits = told_by([100])
    search, last = Fitted(4 * 80, [7, 30, 300, 60]), Fitted(8 * 100, [700])
    probed(fits, search, last)
    assert {what for what, _, _ in told} == {"steps of the probe"}
    assert [done for _, done, _ in told] == [0, 7, 37, 337, 397, 397 + 700 * 800 // 320]
    ratio = LAST * 100 / (4 * 80)
    for made, (_, done, total) in enumerate(told[:-2]):
        some = search.steps[:made]
        longest = LONGER * max([usual(some), *some])
        assert total - done == pytest.approx((TRIES - made) * usual(some) + longest * ratio, abs=1)
    assert told[-2][2] - 397 == pytest.approx(LONGER * 300 * ratio, abs=1)
    assert told[-1][1] == told[-1][2]


def test_other_probes_cost_as_much_for_each_of_their_pictures():
    told, fits = told_by([100, 20, 40])
    probed(fits, Fitted(4 * 80, [50, 70]), Fitted(8 * 100, [100]))
    own = 120 + 100 * 800 / 320  # of the first probe, in the unit of its search
    fits.fit(Fitted(8 * 20, [90]), 0, last=True)  # nothing to search on
    ratio = 8 / 4 * 100 / 80
    assert told[2][1:] == (120, round((120 + LONGER * usual([50, 70]) * ratio) * 1.6))
    left = LONGER * USUAL * 160 / 320
    assert told[3][1:] == (round(own), round(own + left + own / 100 * 40))
    probed(fits, Fitted(4 * 32, [10, 20]), Fitted(8 * 40, [30]))
    spent = own + 90 * 160 / 320 + 30 * 128 / 320 + 30
    assert told[-1][1:] == (round(spent), round(spent))


def test_fits_that_are_kept_count_as_done_and_are_not_told():
    told, fits = told_by([100])
    search = Fitted(4 * 80, [50, 70, 90], kept=(0, 1))
    probed(fits, search, Fitted(8 * 100, [100]))
    assert [done for _, done, _ in told] == [120, 210, 460]
    assert search.made == [0, 1, 2]
