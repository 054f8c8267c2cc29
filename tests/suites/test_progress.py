"""What is said of the time left, with a clock by hand."""

import json
from pathlib import Path

import pytest

from clipbench_tf.suites.jobs import Job
from clipbench_tf.suites.progress import Progress, step_of


def job(folder: Path, number: int, flops: float) -> Job:
    return Job(
        row=("CLIP", number),
        place=number,
        seed=0,
        files=[],
        bindings=[],
        key=str(number),
        steps=100,
        flops=flops,
        workdir=folder / str(number),
        record=folder / f"{number}.json",
    )


def log(of: Job, step: int) -> None:
    of.workdir.mkdir(exist_ok=True)
    with (of.workdir / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, "loss": 1.0}) + "\n")


def test_the_time_left_is_that_of_the_operations_left(tmp_path):
    now = [0.0]
    jobs = [job(tmp_path, 0, 1e9), job(tmp_path, 1, 3e9), job(tmp_path, 2, 6e9)]
    progress = Progress(jobs, 1, print, clock=lambda: now[0])
    assert progress.seconds_left([]) is None
    assert progress.line([]) == "0 of 3 done"
    progress.begun(jobs[0])
    now[0] = 60.0
    log(jobs[0], 50)  # half of 1e9 in a minute: 9.5e9 are left
    assert progress.seconds_left([jobs[0]]) == pytest.approx(19 * 60)
    now[0] = 120.0
    progress.done(jobs[0], trained=True)
    assert progress.seconds_left([]) == pytest.approx(9 * 120)
    assert progress.line([]) == "1 of 3 done, about 18 min left"
    progress.failed(jobs[2])
    assert progress.line([]) == "1 of 3 done, 1 failed, about 6 min left"
    progress.done(jobs[1], trained=False)
    assert progress.line([]) == "2 of 3 done, 1 failed"


def test_runs_side_by_side_share_what_is_left(tmp_path):
    now = [0.0]
    jobs = [job(tmp_path, n, 1e9) for n in range(4)]
    progress = Progress(jobs, 2, print, clock=lambda: now[0])
    for one in jobs[:2]:
        progress.begun(one)
    now[0] = 30.0
    for one in jobs[:2]:
        log(one, 25)
    # each takes 120 s, three and a half are left for two places
    assert progress.seconds_left(jobs[:2]) == pytest.approx(3.5 * 120 / 2)


def test_a_slow_start_is_forgotten_little_by_little(tmp_path):
    now = [0.0]
    jobs = [job(tmp_path, n, 1e9) for n in range(4)]
    progress = Progress(jobs, 1, print, clock=lambda: now[0])
    for one, took in zip(jobs, (600.0, 60.0, 60.0), strict=False):
        progress.begun(one)
        now[0] += took
        progress.done(one, trained=True)
    # Each run makes those before count three tenths less.
    expected = (0.49 * 600 + 0.7 * 60 + 60) / (0.49 + 0.7 + 1)
    assert progress.seconds_left([]) == pytest.approx(expected)


def test_what_was_trained_before_does_not_count_as_speed(tmp_path):
    now = [0.0]
    jobs = [job(tmp_path, 0, 1e9), job(tmp_path, 1, 1e9)]
    log(jobs[0], 90)
    progress = Progress(jobs, 1, print, clock=lambda: now[0])
    progress.begun(jobs[0])
    now[0] = 10.0
    progress.done(jobs[0], trained=True)
    assert progress.seconds_left([]) == pytest.approx(100)


def test_a_run_says_where_it_is(tmp_path):
    one, said = job(tmp_path, 0, 1e9), []
    now = [0.0]
    assert step_of(one) == 0
    log(one, 10)
    log(one, 20)
    assert step_of(one) == 20
    (one.workdir / "metrics.jsonl").open("a").write('{"st')
    assert step_of(one) == 20
    progress = Progress([one], 1, said.append, clock=lambda: now[0])
    progress.begun(one)
    progress.show([one])
    now[0] = 61.0
    progress.show([one])
    progress.show([one])
    assert said == ["0 of 1 done; CLIP, 0, seed 0: step 20/100"]


def test_on_a_terminal_one_line_is_kept_and_others_stand_above_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    now, one = [0.0], job(tmp_path, 0, 1e9)
    progress = Progress([one], 1, lambda text: print(text), clock=lambda: now[0])
    progress.begun(one)
    now[0] = 3.0
    progress.show([one])
    progress.tell("CLIP failed")
    assert capsys.readouterr().out == "\r\x1b[K0 of 1 done; CLIP, 0, seed 0:\r\x1b[KCLIP failed\n"
