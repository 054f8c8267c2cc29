"""The command that trains a suite: what it refuses, what it says first, and that it survives."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest

from clipbench_tf.leaderboard.entry import read
from tests.scripts import in_process
from tests.suites import own
from tests.training.runs import ROOT, TINY, write_data

SHORT = (
    "recipe.Recipe.epochs = 3",
    "recipe.Recipe.warmup_epochs = 0",
    "train.Trainer.checkpoint_every = 1",
)


@pytest.fixture(autouse=True)
def _forget():
    """What a plan leaves undone, Keras would do later: give the variables their values."""
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--suite=table6"], "There is no gin file 'suites/table6.gin'"),
        (["--suite=table4", "--scale=huge"], "There is no gin file 'scales/huge.gin'"),
        (["--suite=table4", "--gin_bindings=recipe.Recipe.epoch = 3"], "epoch"),
        (["--suite=table4", "--parallel=9999"], "--parallel=9999 is more than the"),
        (["--suite=table4", "more"], "Unknown argument 'more'"),
    ],
)
def test_what_cannot_run_is_told_before_anything_is_trained(flags, told, tmp_path):
    output = tmp_path / "runs"
    status, _, errors = in_process.run("run_suite.py", f"--output={output}", *flags)
    assert status == 1 and told in errors
    assert not output.exists()


def test_a_dry_run_tells_what_differs_and_trains_nothing(tmp_path):
    output = tmp_path / "runs"
    status, printed, errors = in_process.run(
        "run_suite.py", f"--suite={own.write(tmp_path)}", f"--output={output}", "--dry_run"
    )
    assert status == 0, errors
    assert "method OTTER in place of CLIP:" in printed
    assert "6 runs, 0 of which have a result" in printed
    assert not output.exists()


def test_rows_that_are_not_comparable_are_refused(tmp_path):
    path = own.write(tmp_path, ("otter.gin']", "otter.gin', 'recipe.Recipe.epochs = 99']"))
    status, _, errors = in_process.run("run_suite.py", f"--suite={path}")
    assert status == 1
    assert "differ in optimization.recipe.Recipe.epochs (16 and 99)" in errors


@pytest.mark.slow
def test_a_suite_that_is_killed_twice_goes_on_to_table_plots_and_page(tmp_path):
    (tmp_path / "data").mkdir()
    bindings = (*TINY, *SHORT, *write_data(tmp_path / "data"))
    command = [
        *(sys.executable, str(ROOT / "scripts/run_suite.py"), f"--suite={own.write(tmp_path)}"),
        *("--seeds=1", "--parallel=2", f"--output={tmp_path / 'runs'}"),
        *(f"--gin_bindings={binding}" for binding in bindings),
    ]

    def started() -> subprocess.Popen:
        return subprocess.Popen(
            *(command,), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    for number, steps in ((signal.SIGKILL, 1), (signal.SIGTERM, 2)):
        said = _said(tmp_path).count("step ")
        process = started()
        until = time.monotonic() + 300
        while _said(tmp_path).count("step ") < said + steps and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(number)
        process.communicate(timeout=300)
        assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
        assert not _running(tmp_path)
    process = started()
    printed, _ = process.communicate(timeout=900)
    assert process.returncode == 0, printed
    assert "| OTTER | ResNet50 |" in printed
    records = sorted((tmp_path / "runs/records/my").iterdir())
    assert [path.name for path in records] == [
        "clip-resnet50_seed0.json",
        "otter-resnet50_seed0.json",
    ]
    assert all(read(path).run["steps"] == round(3 * 120 / 32) for path in records)
    made = {path.name for path in (tmp_path / "runs").iterdir()}
    assert made == {"my", "records", "plots", "my.md", "my.csv", "my.html"}
    before = {path: path.stat().st_mtime_ns for path in records}
    again = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=300)
    assert again.returncode == 0 and "2 runs, 2 of which have a result" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in records} == before


def _said(folder: Path) -> str:
    """What the runs have printed so far."""
    return "".join(path.read_text() for path in sorted(folder.rglob("seed0.log")))


def _running(folder: Path) -> list[int]:
    """Processes that were told of `folder`, after a while for them to end."""
    until = time.monotonic() + 90
    while True:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    told = str(folder).encode() in (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                found += [int(entry.name)] * told
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.2)


@pytest.mark.slow
def test_workers_train_a_row_together_and_a_bad_row_does_not_end_the_suite(tmp_path):
    (tmp_path / "data").mkdir()
    bindings = (*TINY, *SHORT, *write_data(tmp_path / "data"))
    path = own.write(
        tmp_path,
        ("('OTTER', 'ResNet50')]", "('OTTER', 'ResNet50'), ('BAD', 'ResNet50')]"),
        (
            "{'OTTER': ['methods/otter.gin']}",
            "{'OTTER': ['methods/otter.gin'], 'BAD': ['methods/otter.gin', "
            "'optimal_transport.OptimalTransport.weight = 1e38']}",
        ),
    )
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "scripts/run_suite.py"), f"--suite={path}", "--workers=2"),
            *("--seeds=1", f"--output={tmp_path / 'runs'}"),
            *(f"--gin_bindings={binding}" for binding in bindings),
        ],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=900,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BAD, ResNet50, seed 0 failed: exit status 1" in done.stdout
    assert "| OTTER | ResNet50 |" in done.stdout
    record = tmp_path / "runs/records/my/clip-resnet50_seed0.json"
    assert json.loads(record.read_text())["run"]["steps"] == 11
