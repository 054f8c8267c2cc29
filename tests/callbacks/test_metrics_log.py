import json
import math

import pytest

from clipbench_tf.callbacks.metrics_log import MetricsLog
from tests.checkpoints.full_disk import files_of_at_most


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def written(path):
    """The objects in the file, by strict JSON, without their times."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    entries = [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]
    assert all(entry.pop("wall_time") > 1.6e9 for entry in entries)
    return entries


def filled(path, *steps):
    log = MetricsLog(path)
    for step in steps:
        log.write(step, {"loss": step / 2})


def test_one_object_for_each_step(path):
    log = MetricsLog(path)
    log.write(10, {"loss": 2.5, "loss/image_text": 1.25})
    assert written(path) == [{"step": 10, "loss": 2.5, "loss/image_text": 1.25}]
    log.write(20, {"loss": 2.0})
    assert [entry["step"] for entry in written(path)] == [10, 20]


def test_later_results_of_the_same_step_join_its_object(path):
    log = MetricsLog(path)
    log.write(10, {"loss": 2.5})
    log.write(20, {"loss": 2.0})
    log.write(20, {"zero_shot/test/top1": 0.25})
    log.write(30, {"loss": 1.5})
    assert written(path) == [
        {"step": 10, "loss": 2.5},
        {"step": 20, "loss": 2.0, "zero_shot/test/top1": 0.25},
        {"step": 30, "loss": 1.5},
    ]


def test_numbers_that_are_not_finite_become_null(path):
    MetricsLog(path).write(1, {"loss": math.nan, "gradient_norm": math.inf, "low": -math.inf})
    assert written(path) == [{"step": 1, "loss": None, "gradient_norm": None, "low": None}]


def test_numbers_keep_what_a_float32_has(path):
    MetricsLog(path).write(1, {"temperature": 0.07000000029802322, "rate": 1.2345678e-7})
    assert written(path) == [{"step": 1, "temperature": 0.07, "rate": 1.2345678e-7}]


def test_resuming_drops_later_steps_and_appends(path):
    filled(path, 10, 20, 30, 40)
    log = MetricsLog(path, resumed_at=25)
    assert [entry["step"] for entry in written(path)] == [10, 20]
    log.write(30, {"loss": 7.0})
    assert written(path)[2:] == [{"step": 30, "loss": 7.0}]


def test_resuming_at_a_logged_step_keeps_it_and_adds_to_it(path):
    filled(path, 10, 20, 30)
    MetricsLog(path, resumed_at=20).write(20, {"top1": 0.5})
    assert written(path) == [{"step": 10, "loss": 5.0}, {"step": 20, "loss": 10.0, "top1": 0.5}]


def test_a_run_without_a_checkpoint_starts_over(path):
    filled(path, 10, 20)
    MetricsLog(path, resumed_at=0)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("tail", [b'{"step": 30, "lo', b'{"step": 30}', b"\xff\xfe\n", b"[30]\n"])
def test_a_half_written_line_is_dropped(path, tail):
    filled(path, 10, 20)
    with path.open("ab") as file:
        file.write(tail)
    MetricsLog(path, resumed_at=30).write(30, {"loss": 1.0})
    assert [entry["step"] for entry in written(path)] == [10, 20, 30]


@pytest.mark.parametrize("again", [False, True], ids=["another step", "the same step"])
def test_on_a_full_disk_a_step_is_missing_and_the_next_is_whole(path, again, caplog):
    log = MetricsLog(path)
    log.write(10, {"loss": 2.5})
    with files_of_at_most(path.stat().st_size + 5):
        if again:
            log.write(10, {"top1": 0.5})
        else:
            log.write(20, {"loss": 2.0})
    assert f"steps are missing in {path}: " in caplog.text
    log.write(30, {"loss": 1.5})
    expected = [{"step": 10, "loss": 2.5}] * (not again) + [{"step": 30, "loss": 1.5}]
    assert written(path) == expected
    MetricsLog(path, resumed_at=30)  # drops what it cannot read
    assert written(path) == expected


def test_what_did_not_reach_the_disk_comes_with_the_next_results_of_its_step(path):
    log = MetricsLog(path)
    log.write(10, {"loss": 2.5})
    with files_of_at_most(path.stat().st_size):
        log.write(10, {"top1": 0.5})
    log.write(10, {"top5": 0.75})
    assert written(path) == [{"step": 10, "loss": 2.5, "top1": 0.5, "top5": 0.75}]


def test_a_log_that_resumes_no_run_appends(tmp_path):
    path = tmp_path / "new/metrics.jsonl"
    filled(path, 10, 20)
    path.write_bytes(path.read_bytes() + b'{"step": 30, "lo')
    filled(path, 5)
    assert [entry["step"] for entry in written(path)] == [10, 20, 5]
