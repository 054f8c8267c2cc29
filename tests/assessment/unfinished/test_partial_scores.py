"""Scores survive the process, also one that is killed."""

import numpy as np
import pytest

from clipbench_tf.assessment.unfinished import partial_scores
from clipbench_tf.assessment.unfinished.arrays import saved_on_error
from clipbench_tf.assessment.unfinished.partial_scores import PartialScores
from clipbench_tf.evaluation.scored import Scored, joined
from tests.checkpoints.full_disk import files_of_at_most


def scored(start: int, count: int) -> Scored:
    rng = np.random.default_rng(start)
    return Scored(
        places=np.arange(start, start + count),
        keys=np.array([f"test/{n}" for n in range(start, start + count)]),
        valid=rng.random(count) > 0.2,
        labels=rng.integers(0, 9, count),
        predictions=rng.integers(0, 9, count),
        scores=rng.random(count).astype(np.float32),
        top1=rng.random(count),
        top5=rng.random(count),
        reciprocal_rank=rng.random(count),
    )


def assert_same(one: Scored, other: Scored) -> None:
    for name, column in one.columns().items():
        np.testing.assert_array_equal(column, other.columns()[name])


def test_what_a_killed_process_wrote_last_is_there(tmp_path):
    times = iter([0.0, 10.0, partial_scores.PERIOD + 1, partial_scores.PERIOD + 1, 40.0])
    journal = PartialScores(tmp_path, clock=lambda: next(times))
    parts = [scored(0, 4), scored(4, 4), scored(8, 3)]
    for number in (1, 2, 3):
        journal.keep("test", parts[:number])  # the first and the last come too soon to be written
    (kept,) = PartialScores(tmp_path).kept("test")
    assert_same(kept, joined(parts[:2]))
    assert PartialScores(tmp_path).kept("other") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_error_or_a_signal_writes_all_and_so_does_the_next_split(error, tmp_path):
    first, second = scored(0, 4), scored(0, 7)
    with pytest.raises(error), saved_on_error(PartialScores(tmp_path)) as journal:
        journal.keep("test", [first])
        journal.keep("more", [second])
        raise error
    assert_same(PartialScores(tmp_path).kept("test")[0], first)
    assert_same(PartialScores(tmp_path).kept("more")[0], second)


def test_a_damaged_file_is_no_scores(tmp_path):
    with pytest.raises(KeyboardInterrupt), saved_on_error(PartialScores(tmp_path)) as journal:
        journal.keep("test", [scored(0, 50)])
        raise KeyboardInterrupt
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:200])
    assert PartialScores(tmp_path).kept("test") == []


def test_a_full_disk_is_told_once_and_ends_nothing(tmp_path, caplog):
    journal = PartialScores(tmp_path, clock=iter(range(0, 1000, 60)).__next__)
    with files_of_at_most(100):
        for _ in range(3):
            journal.keep("test", [scored(0, 50)])
    assert caplog.text.count("Cannot keep what is done") == 1
    assert not list(tmp_path.iterdir())
