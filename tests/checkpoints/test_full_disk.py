"""A run whose disk is full trains to its end, says what it could not write, and starts again."""

import json
import resource
import subprocess

import pytest

from tests.training import runs

LIMIT = 500_000  # bytes of a file: enough for logs, too little for a checkpoint or an export


@pytest.mark.slow
def test_a_run_on_a_full_disk_loses_no_more_than_what_finds_no_room(few_drawings, tmp_path):
    settings = (*few_drawings, runs.epochs(10), "recipe.Recipe.warmup_epochs = 0.0")
    command = runs.command(tmp_path / "run", *settings)
    done = subprocess.run(
        command,
        cwd=runs.ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT)),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "The state after step 10 could not be saved" in done.stderr
    [error] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert "The results could not be written" in error
    assert "it goes on from the last checkpoint, none." in error
    assert "Zero-shot accuracy of clip after 10 steps" in done.stdout
    log = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == list(range(1, 11))
    again = subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr[-3000:]
    assert (tmp_path / "run/record.json").exists()
