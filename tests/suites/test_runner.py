"""Runs side by side, failures, interruptions, and results that are there already.

The training command is `fake_train.py`.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipbench_tf.leaderboard.entry import RecordError, read
from clipbench_tf.suites import jobs, runner, suite
from clipbench_tf.suites.devices import Slot
from clipbench_tf.suites.jobs import Job
from clipbench_tf.suites.runner import Runner
from tests.leaderboard.samples import CONFIG, run
from tests.suites import own

COMMAND = [sys.executable, str(Path(__file__).with_name("fake_train.py"))]


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    """What the fake training writes; and no time is lost."""
    monkeypatch.setenv("RUN", json.dumps(run(0.2)))
    monkeypatch.setenv("CONFIG", CONFIG)
    monkeypatch.setattr(runner, "_POLL", 0.02)


@pytest.fixture(scope="module")
def facts_and_jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    found, facts = suite.load(own.write(folder), "emoji")
    return facts, jobs.jobs(found, facts, seeds=2, output=Path("output"))


@pytest.fixture
def facts(facts_and_jobs):
    return facts_and_jobs[0]


@pytest.fixture
def planned(facts_and_jobs, tmp_path):
    """The four runs of two rows, below `tmp_path`."""
    return [
        dataclasses.replace(job, workdir=tmp_path / job.workdir, record=tmp_path / job.record)
        for job in facts_and_jobs[1]
    ]


def trained(facts, planned: list[Job], *, slots=1, check=lambda: None) -> tuple[Runner, list[str]]:
    said: list[str] = []
    made = Runner(
        facts,
        planned,
        slots=[Slot({})] * slots,
        command=COMMAND,
        check=check,
        say=said.append,
    )
    made.run(runner.known(planned))
    return made, said


def test_every_run_leaves_the_record_of_its_row_and_seed(facts, planned):
    made, said = trained(facts, planned, slots=2)
    assert not made.failures
    for job in planned:
        entry = read(job.record)
        assert (entry.row, entry.seed, entry.key, entry.suite) == (
            *(job.row, job.seed, job.key),
            facts,
        )
        assert entry.value("top1", "test") == pytest.approx(0.2 + 0.01 * job.seed)
        assert entry.config == (job.workdir / "config.gin").read_text()
        assert entry.flops == job.flops > 1e12
        steps = [point["step"] for point in entry.curve if "loss" in point]
        assert steps == list(range(10, 710, 10))
        assert next(p for p in entry.curve if "zero_shot/validation/top1" in p)["step"] == 350
    assert sum("test top-1 20.0% after 2.0 min" in line for line in said) == 2
    assert any("4 of 4 done" in line for line in said)


def test_what_has_a_record_is_not_trained_again(facts, planned):
    trained(facts, planned)
    before = {job.label: (job.workdir / "pid").read_text() for job in planned}
    planned[1].record.unlink()
    trained(facts, planned)
    again = [j for j in planned if (j.workdir / "pid").read_text() != before[j.label]]
    assert again == [planned[1]] and planned[1].record.exists()


def test_a_run_that_fails_does_not_end_the_suite_and_is_tried_again(facts, planned, monkeypatch):
    monkeypatch.setenv("FAIL", "clip-resnet50/seed1")
    made, said = trained(facts, planned)
    (failure,) = made.failures
    assert failure.job.label == "CLIP, ResNet50, seed 1"
    assert "exit status 3" in failure.reason
    assert "a line before\nno memory for seed1" in failure.reason
    assert sum(job.record.exists() for job in planned) == 3
    assert any("1 failed" in line for line in said)
    monkeypatch.delenv("FAIL")
    assert not trained(facts, planned)[0].failures
    assert all(job.record.exists() for job in planned)


def test_a_run_that_leaves_nothing_fails(facts, planned):
    made = Runner(
        *(facts, planned[:1]),
        slots=[Slot({})],
        command=["true"],
        check=lambda: None,
        say=lambda text: None,
    )
    made.run({})
    assert "leaves no record" in made.failures[0].reason


def test_a_stop_lets_the_runs_save_and_the_next_call_goes_on(facts, planned, monkeypatch):
    monkeypatch.setenv("WAIT", "60")

    def check():
        if sum((job.workdir / "metrics.jsonl").exists() for job in planned) == 2:
            time.sleep(0.5)
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        trained(facts, planned, slots=2, check=check)
    assert [(job.workdir / "saved").exists() for job in planned] == [True, True, False, False]
    assert not any(job.record.exists() for job in planned)
    monkeypatch.setenv("WAIT", "0")
    trained(facts, planned, slots=2)
    assert all(job.record.exists() for job in planned)


def test_runs_end_when_the_suite_is_killed(tmp_path):
    folder = tmp_path / "suite"
    folder.mkdir()
    program = (
        "from pathlib import Path; import sys, time\n"
        "from clipbench_tf.suites.child import Child\n"
        "from clipbench_tf.suites.devices import Slot\n"
        f"Child([*{COMMAND!r}, '--gin_file=methods/clip.gin', "
        f"'--gin_bindings=pipeline.Pipeline.seed = 0', '--workdir={folder / 'run'}'], Slot({{}}), "
        f"Path({str(folder / 'run.log')!r}))\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "WAIT": "60", "PYTHONPATH": "."}
    )
    try:
        until = time.monotonic() + 60
        while not (folder / "run/metrics.jsonl").exists() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.5)
        child = int((folder / "run/pid").read_text().split()[0])
        os.kill(child, 0)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()
    assert (folder / "run/saved").exists()


def test_a_result_of_another_suite_with_the_same_configuration_is_taken_over(facts, planned):
    trained(facts, planned[:2])
    other = dataclasses.replace(facts, name="other", title="Other")
    moved = [
        dataclasses.replace(
            job,
            place=7,
            workdir=job.workdir.parents[2] / "other" / str(job.place),
            record=job.record.parents[1] / "other" / job.record.name,
        )
        for job in planned[:2]
    ]
    _, said = trained(other, moved)
    for job, own_job in zip(moved, planned[:2], strict=True):
        entry = read(job.record)
        assert (entry.suite, entry.place, entry.run) == (other, 7, read(own_job.record).run)
        assert not job.workdir.exists()
    assert any("has the result of my, CLIP, ResNet50, seed 0" in line for line in said)


def test_rows_with_one_configuration_are_trained_once(facts, planned):
    twin = dataclasses.replace(
        planned[0],
        row=("TWIN", "ResNet50"),
        place=9,
        workdir=planned[0].workdir.parent / "twin",
        record=planned[0].record.with_name("twin.json"),
    )
    trained(facts, [planned[0], twin])
    assert read(twin.record).row == twin.row
    assert not twin.workdir.exists()


def test_the_record_of_another_configuration_is_not_mistaken_for_this_ones(facts, planned):
    trained(facts, planned[:1])
    changed = dataclasses.replace(planned[0], key="f" * 64)
    with pytest.raises(RecordError, match=r"clip-resnet50_seed0.json is the record of another"):
        runner.known([changed])


def test_a_run_keeps_to_its_cores(facts, planned):
    cores = frozenset([min(os.sched_getaffinity(0))])
    made = Runner(
        *(facts, planned[:1]),
        slots=[Slot({}, cores)],
        command=COMMAND,
        check=lambda: None,
        say=lambda text: None,
    )
    made.run({})
    assert (planned[0].workdir / "pid").read_text().endswith(f"{sorted(cores)}")
