import json

import numpy as np
import pytest
from scipy import stats

from clipbench_tf.evaluation.accuracy import wilson
from clipbench_tf.evaluation.probes.linear_result import LinearResult, Trained, spread
from clipbench_tf.evaluation.zero_shot import SplitResult


def trained(right, *, pictures=6, short=0, chosen_on=2, unconverged=0, converged=True):
    """A probe that is right on so many of four pictures of six classes."""
    top1 = (np.arange(4) < right).astype(float)
    zeros = np.zeros(4, np.int64)
    return Trained(
        result=SplitResult("test", 6, 1, np.arange(4), zeros, zeros, zeros, {1: top1, 5: top1}),
        pictures=pictures,
        short=short,
        strength=0.01,
        chosen_on=chosen_on,
        fits=16,
        unconverged=unconverged,
        converged=converged,
    )


def result(**draws):
    few = {2: (trained(1, short=1), trained(3, **draws)), 1: (trained(1, chosen_on=0),)}
    return LinearResult("train", 3, 5, {None: (trained(3, pictures=40),), **few}, "pooled")


def test_the_interval_over_repeats_is_students():
    for repeats in ([0.2, 0.5], [0.3, 0.31, 0.35, 0.29, 0.4]):
        mean, error = np.mean(repeats), stats.sem(repeats)
        low, high = stats.t.interval(0.95, len(repeats) - 1, mean, error)
        assert spread(repeats) == pytest.approx((max(low, 0), min(high, 1)))
    assert spread([0.4]) is None
    assert spread([0.25, 0.25]) == (0.25, 0.25)


def test_a_record_has_all_pictures_and_every_draw():
    record = json.loads(json.dumps(result().record()))
    assert (record["train_split"], record["train_corrupt"], record["train_classes"]) == (
        "train",
        3,
        5,
    )
    full = record["full"]
    assert full["top1"] == 0.75 and full["top1_interval"] == list(wilson(0.75, 4))
    assert (full["pictures"], full["strength"], full["chosen_on"]) == (40, 0.01, 2)
    two = record["shots"]["2"]
    assert two["top1"] == 0.5 and two["top1_interval"] == list(spread([0.25, 0.75]))
    assert [one["top1"] for one in two["draws"]] == [0.25, 0.75] and two["repeats"] == 2
    assert record["shots"]["1"]["top1_interval"] is None
    assert "Student" in record["rule"]


def test_lines_say_what_was_fitted_and_warn_of_fits_that_did_not_converge():
    full, two, one = result().line().split("\n")
    assert full.startswith("linear probe, test: top-1 75.0% (95% interval ")
    assert full.endswith(
        "fitted on 40 pictures of 5 classes of train, 3 corrupt left out, C = 0.01"
    )
    assert two.startswith("2-shot linear probe, test: top-1 50.0% (95% interval 0.0% to 100.0%), ")
    assert "6 pictures each time (1 of the classes with fewer) of train" in two
    assert one.startswith("1-shot linear probe, test: top-1 25.0%, top-5 25.0% over one draw;")
    assert one.endswith("C = 0.01 (no picture was left to choose it on)")
    assert "WARNING" not in result().line()
    warned = result(unconverged=4, converged=False).line().split("\n")
    assert warned[1].endswith(
        "; WARNING: 4 of 32 fits did not converge, 1 of them final ones: allow more iterations"
    )
    assert "WARNING" not in warned[0]
