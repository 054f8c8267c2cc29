"""Sides in processes of their own: answers, memory, missing packages, and failures."""

import pytest

from clipbench_tf.benchmarks import catalogue
from clipbench_tf.benchmarks.harness.comparison import compare
from clipbench_tf.benchmarks.harness.contender import Contender, ContenderError, Side
from clipbench_tf.benchmarks.harness.measure import Unit

JOBS = "tests.benchmarks.jobs"
SUM = Side(f"{JOBS}:sum_of", {"values": [1.0, 2.0]}, cores=1)


def test_a_record_has_both_figures_and_the_circumstances():
    record = compare("sum", Unit("ms"), {"ours": SUM, "peer": SUM}, repetitions=3, tolerance=0.0)
    assert record["case"] == "sum"
    assert record["ours"] > 0 < record["peer"]
    assert record["ratio"] == pytest.approx(record["peer"] / record["ours"], rel=2e-3)
    assert (record["repetitions"], record["cores"]) == (3, 1)
    assert set(record["peak_extra_mb"]) == {"ours", "peer"}
    assert record["versions"]["tensorflow"]
    assert record["cpu"]


def test_a_peer_that_is_not_installed_is_null():
    sides = {"ours": SUM, "peer": Side(f"{JOBS}:without_package")}
    record = compare("alone", Unit("ms"), sides, repetitions=1, tolerance=0.0)
    assert (record["peer"], record["ratio"]) == (None, None)
    assert record["ours"] > 0


def test_what_ours_needs_must_be_installed():
    with pytest.raises(ContenderError, match="a_package_that_nobody_has"):
        compare("none", Unit("ms"), {"ours": Side(f"{JOBS}:without_package")}, repetitions=1)


def test_sides_that_compute_different_things_are_not_compared():
    sides = {"ours": SUM, "peer": Side(f"{JOBS}:sum_of", {"values": [4.0]}, cores=1)}
    with pytest.raises(ContenderError, match="not the same"):
        compare("sums", Unit("ms"), sides, repetitions=1, tolerance=0.1)


def test_the_peak_is_what_the_runs_added():
    with Contender(Side(f"{JOBS}:hungry", {"megabytes": 100})) as one:
        before = one.peak_extra_bytes()
        one.seconds()
        after = one.peak_extra_bytes()  # though it has been given back
    assert before < 20 << 20
    assert 90 << 20 < after < 130 << 20


def test_a_side_that_fails_says_why():
    with pytest.raises(ContenderError, match="as it should"), Contender(Side(f"{JOBS}:failing")):
        pass


def test_a_side_that_dies_is_noticed():
    with Contender(Side(f"{JOBS}:dying")) as one, pytest.raises(ContenderError, match="status 3"):
        one.seconds()


def test_unknown_names_and_options_are_answered_with_the_known_ones():
    with pytest.raises(catalogue.BenchmarkError, match=r"'simil'.*training_step.*zero_shot"):
        catalogue.cases("simil", {})
    with pytest.raises(catalogue.BenchmarkError, match=r"no --prompts.*--captions, --repetitions"):
        catalogue.cases("tokenizer", {"prompts": 3})
