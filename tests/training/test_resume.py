"""A run that was stopped ends as if it had not been."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.scripts.in_process import train
from tests.training.runs import BATCH, EXAMPLES, checkpoint, epochs, run, start

STEPS = 40


@pytest.fixture(scope="module")
def settings(few_drawings) -> tuple[str, ...]:
    return (
        *few_drawings,
        epochs(STEPS),
        "recipe.Recipe.warmup_epochs = 0.5",
        "train.Trainer.checkpoint_every = 7",
    )


@pytest.fixture(scope="module")
def uninterrupted(settings, tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("uninterrupted")
    status, output = train(workdir, *settings)
    assert status == 0, output
    assert not re.search(r"^[IWE]\d{4} |absl::", output, re.MULTILINE), (
        "TensorFlow says how it starts"
    )
    return workdir


def wait_for_step(process: subprocess.Popen, workdir: Path, step: int) -> None:
    """Until the log holds `step`, or the process ends."""
    log = workdir / "metrics.jsonl"
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if log.is_file() and len(log.read_text().splitlines()) >= step:
            return
        time.sleep(0.05)
    raise AssertionError(f"No step {step}: {process.communicate()[0]}")


def assert_same(one: Path, two: Path) -> None:
    ours, theirs = checkpoint(one), checkpoint(two)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if value.dtype == object or value.dtype.kind in "SU":
            continue  # the checkpoint's own description of itself
        np.testing.assert_allclose(value, theirs[name], rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_a_run_that_was_stopped_in_every_way_ends_with_the_weights_of_an_uninterrupted_one(
    settings, tmp_path
):
    # A process as well: this one does not rewrite its graphs as they do (tests/conftest.py).
    status, output = run(whole := tmp_path / "whole", *settings)
    assert status == 0, output
    stopped = tmp_path / "stopped"
    saved, wanted = 0, 9  # the first checkpoint is that of step 7
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        process = start(stopped, *settings)
        wait_for_step(process, stopped, wanted)
        process.send_signal(number)
        output, _ = process.communicate(timeout=600)
        if number == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 128 + number, output
            assert int(re.search(r"Going on from step (\d+)", output)[1]) >= max(saved, 7)
            saved = int(re.search(r"Saved at step (\d+)", output)[1])
        wanted = len((stopped / "metrics.jsonl").read_text().splitlines()) + 2

    process = start(stopped, *settings)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert f"Going on from step {saved} of {STEPS}." in output
    assert_same(whole, stopped)
    lines = (stopped / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, STEPS + 1))


def test_a_run_leaves_what_the_readme_says(uninterrupted):
    left = {path.name for path in uninterrupted.iterdir()}
    assert left == {
        "checkpoints",
        "config.gin",
        "metrics.jsonl",
        "record.json",
        "saved_model",
        "tensorboard",
    }
    record = json.loads((uninterrupted / "record.json").read_text())
    assert record["steps"] == STEPS
    assert record["method"] == "clip"
    assert record["results"][0]["scored"] == EXAMPLES["validation"]
    assert 0 < record["results"][0]["mean_reciprocal_rank"] < 1
    assert {len(checksum) for checksum in record["checksums"].values()} == {64}
    logged = json.loads((uninterrupted / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"loss", "loss/image_text", "temperature", "gradient_norm", "learning_rate"} <= set(
        logged
    )
    assert logged["epoch"] == pytest.approx(STEPS * BATCH / EXAMPLES["train"])
    assert 0 < logged["temperature"] < 1


def test_a_folder_of_another_configuration_is_refused_with_the_difference(settings, uninterrupted):
    before = checkpoint(uninterrupted)
    status, output = train(uninterrupted, *settings, "train.Trainer.checkpoint_every = 8")
    assert status == 1
    assert "another configuration" in output
    assert "-train.Trainer.checkpoint_every = 7" in output
    assert "+train.Trainer.checkpoint_every = 8" in output
    assert checkpoint(uninterrupted).keys() == before.keys()


def test_a_finished_run_is_not_trained_again(settings, uninterrupted):
    status, output = train(uninterrupted, *settings)
    assert status == 0, output
    assert f"after {STEPS} steps" in output


@pytest.mark.slow
def test_the_operative_config_repeats_the_run(settings, uninterrupted, tmp_path):
    status, output = train(tmp_path, *settings, gin_file=str(uninterrupted / "config.gin"))
    assert status == 0, output
    assert_same(uninterrupted, tmp_path)
