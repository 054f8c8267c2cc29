import numpy as np
import pytest

from clipbench_tf.evaluation.probes.draws import hold_out, shots

SIZES = [1, 2, 3, 10, 0, 31]
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(6), SIZES))


@pytest.mark.parametrize("count", [1, 2, 5, 100])
def test_draws_so_many_of_each_class_or_all_it_has(count):
    rows = shots(LABELS, count, 0)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert np.bincount(LABELS[rows], minlength=6).tolist() == [min(s, count) for s in SIZES]


def test_more_shots_include_fewer_and_other_seeds_draw_others_and_evenly():
    assert set(shots(LABELS, 2, 3, 1)) < set(shots(LABELS, 4, 3, 1))
    np.testing.assert_array_equal(shots(LABELS, 2, 3, 1), shots(LABELS, 2, 3, 1))
    drawn = np.zeros(len(LABELS))
    for repeat in range(400):
        drawn[shots(LABELS, 1, 3, repeat)] += 1
    expected = 400 / np.array(SIZES)[LABELS]
    assert np.all(np.abs(drawn - expected) < 5 * np.sqrt(expected) + 1e-9)


def test_holds_out_a_fraction_of_each_class_and_keeps_some_of_each():
    kept, held = hold_out(LABELS, 0.2, 5)
    assert sorted([*kept, *held]) == list(range(len(LABELS)))
    assert np.bincount(LABELS[held], minlength=6).tolist() == [0, 1, 1, 2, 0, 6]
    assert np.bincount(LABELS[kept], minlength=6).tolist() == [1, 1, 2, 8, 0, 25]
    assert not np.array_equal(held, hold_out(LABELS, 0.2, 6)[1])


def test_draws_stay_as_they_are():
    # The numbers of the day this was written: a probe must give the same with every version.
    labels = np.arange(30) % 3
    assert shots(labels, 2, 0, 0).tolist() == [0, 8, 11, 12, 16, 19]
    assert hold_out(labels, 0.2, 0, 0, 0)[1].tolist() == [0, 1, 9, 17, 19, 23]
