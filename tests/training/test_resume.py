"""A run that was stopped ends as if it had not been."""

import json
import signal
import time

import numpy as np
import pytest

from tests.training.runs import checkpoint, epochs, run, start

STEPS = 40
SETTINGS = (epochs(STEPS), "recipe.Recipe.warmup_epochs = 0.05")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("uninterrupted")
    status, output = run(workdir, *SETTINGS, "train.Trainer.checkpoint_every = 7")
    assert status == 0, output
    return workdir


def wait_for_step(process, workdir, step: int) -> None:
    """Until the log holds `step`, or the process ends."""
    log = workdir / "metrics.jsonl"
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if log.is_file() and len(log.read_text().splitlines()) >= step:
            return
        time.sleep(0.05)
    raise AssertionError(f"No step {step}: {process.communicate()[0]}")


def assert_same(one, two) -> None:
    ours, theirs = checkpoint(one), checkpoint(two)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if value.dtype == object or value.dtype.kind in "SU":
            continue  # the checkpoint's own description of itself
        np.testing.assert_allclose(value, theirs[name], rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_ends_with_the_weights_of_an_uninterrupted_one(
    number, uninterrupted, tmp_path
):
    settings = (*SETTINGS, "train.Trainer.checkpoint_every = 7")
    process = start(tmp_path, *settings)
    wait_for_step(process, tmp_path, 17)
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + number, output
        assert "Saved at step" in output

    status, output = run(tmp_path, *settings)
    assert status == 0, output
    assert "Going on from step" in output
    assert_same(uninterrupted, tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
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
    assert record["results"][0]["scored"] == 231
    logged = json.loads((uninterrupted / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"loss", "loss/image_text", "temperature", "gradient_norm", "learning_rate"} <= set(
        logged
    )
    assert 0 < logged["temperature"] < 1


def test_a_folder_of_another_configuration_is_refused_with_the_difference(uninterrupted):
    before = checkpoint(uninterrupted)
    status, output = run(uninterrupted, *SETTINGS, "train.Trainer.checkpoint_every = 8")
    assert status == 1
    assert "another configuration" in output
    assert "-train.Trainer.checkpoint_every = 7" in output
    assert "+train.Trainer.checkpoint_every = 8" in output
    assert checkpoint(uninterrupted).keys() == before.keys()


def test_a_finished_run_is_not_trained_again(uninterrupted):
    status, output = run(uninterrupted, *SETTINGS, "train.Trainer.checkpoint_every = 7")
    assert status == 0, output
    assert f"after {STEPS} steps" in output


def test_the_operative_config_repeats_the_run(uninterrupted, tmp_path):
    status, output = run(
        tmp_path,
        *SETTINGS,
        "train.Trainer.checkpoint_every = 7",
        gin_file=str(uninterrupted / "config.gin"),
    )
    assert status == 0, output
    assert_same(uninterrupted, tmp_path)
