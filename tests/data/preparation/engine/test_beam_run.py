"""Steps as a Beam pipeline: each element is done, and a failure is one line."""

import functools
import os
import time
from pathlib import Path

import apache_beam as beam
import pytest

from clipbench_tf.data.preparation.engine import beam_run
from clipbench_tf.data.preparation.engine.beam_run import Where
from clipbench_tf.data.preparation.engine.progress import Progress
from clipbench_tf.data.readers.dataset import DatasetError

HERE, TWO = Where(), Where(workers=2)


def note(folder: Path, number: int) -> int | None:
    """Leaves a file with the id of the process, as two may be done at once."""
    (folder / f"{number}.done").write_text(str(os.getpid()))
    time.sleep(0.05)
    return number if number % 2 else None


def fail(folder: Path, number: int) -> None:
    note(folder, number)
    if number == 3:
        raise DatasetError("Number 3 is bad; give another.")
    if number == 5:
        os.kill(os.getpid(), 9)


def stumble(number: int) -> None:
    raise KeyError(number)


def run(step, elements, tmp_path, *, where=HERE, then=None) -> None:
    beam_run.run(
        step,
        elements,
        where=where,
        failed=f"{tmp_path}/failed.json",
        progress=Progress("Numbers", len(elements), lambda: 0.0),
        then=then,
    )


def done(folder: Path) -> dict[int, str]:
    return {int(path.stem): path.read_text() for path in folder.glob("*.done")}


def test_every_element_is_done_and_results_go_on(tmp_path):
    path = f"{tmp_path}/sum"
    then = beam.CombineGlobally(sum) | beam.Map(lambda total: Path(path).write_text(str(total)))
    run(functools.partial(note, tmp_path), range(6), tmp_path, then=then)
    assert done(tmp_path) == dict.fromkeys(range(6), str(os.getpid()))
    assert Path(path).read_text() == "9"
    run(stumble, [], tmp_path)  # without elements there is nothing to do


def test_a_failure_is_told_as_it_was_said(tmp_path):
    with pytest.raises(DatasetError, match=r"^Number 3 is bad; give another\.$"):
        run(functools.partial(fail, tmp_path), [1, 2, 3], tmp_path)
    with pytest.raises(DatasetError, match=r"^KeyError: 7 \(more in .*failed\.json\)$"):
        run(stumble, [7], tmp_path)
    assert "in stumble" in (tmp_path / "failed.json").read_text()
    run(functools.partial(note, tmp_path), [1], tmp_path)  # a failure before is no failure now
    assert not (tmp_path / "failed.json").exists()


def test_other_runners_are_chosen_by_flags(tmp_path):
    """One that, as Flink's and Spark's, gets the pipeline over the network, here from itself."""
    options = ("--job_endpoint=embed", "--environment_type=LOOPBACK")
    where = Where("PortableRunner", options=options)
    run(functools.partial(note, tmp_path), range(3), tmp_path, where=where)
    assert done(tmp_path).keys() == {0, 1, 2}
    for runner, expected in (("NoRunner", "Valid values are"), ("DataflowRunner", "region")):
        with pytest.raises(ValueError, match=expected):
            run(stumble, [1], tmp_path, where=Where(runner))


@pytest.mark.slow
def test_two_processes_share_the_work(tmp_path):
    run(functools.partial(note, tmp_path), range(8), tmp_path, where=TWO)
    processes = list(done(tmp_path).values())
    assert len(processes) == 8 and len(set(processes)) == 2
    assert str(os.getpid()) not in processes


@pytest.mark.slow
def test_a_failure_in_one_process_ends_all_at_once(tmp_path):
    elements = [3, *range(100, 1000)]
    with pytest.raises(DatasetError, match="Number 3 is bad"):
        run(functools.partial(fail, tmp_path), elements, tmp_path, where=TWO)
    assert len(done(tmp_path)) < 500  # the other one's share


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run(tmp_path):
    elements = [5, *range(100, 1000)]
    with pytest.raises(DatasetError, match="ended from outside, perhaps as memory ran out"):
        run(functools.partial(fail, tmp_path), elements, tmp_path, where=TWO)
    assert len(done(tmp_path)) < 500
