"""The plan as a command: its object, and what a user reads who mistypes."""

import json
import subprocess
import sys

import pytest

from tests.training.runs import ROOT

CLIP = "--gin_file=gin/clip.gin"
PAPER = "--gin_file=gin/paper/table4_clip_vit_b32.gin"


def plan(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "scripts/plan.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


def test_one_json_object():
    status, output, errors = plan(CLIP, "--json", "--devices=2", "--device=h100")
    assert status == 0, errors
    found = json.loads(output)
    assert found["devices"] == 2 and found["device"] == "h100"
    assert found["examples_from"] == "dataset.json"


def test_what_does_not_fit_has_a_status_of_its_own():
    status, output, errors = plan(PAPER, "--devices=2")
    assert status == 3, errors
    assert "IT DOES NOT FIT" in output and "recompute = True" in output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--gin_file=gin/clipp.gin"], "no gin file 'gin/clipp.gin'"),
        ([CLIP, "--gin_bindings=recipe.Recipe.epoch = 3"], "epoch"),
        ([CLIP, "--gin_bindings=EMBED_DIMM = 3"], "EMBED_DIMM"),
        ([CLIP, "--device=tpu"], "a100-80g"),
        ([CLIP, "--devices=0"], "at least 1"),
        ([CLIP, "--devices=3"], "--devices=2"),
        ([CLIP, "--gin_bindings=pipeline.Pipeline.dataset = 'mine'"], "--examples"),
        ([CLIP, "--text_length=99"], "context_length, 16"),
        ([CLIP, "--examples=0"], "--examples is 0"),
        ([CLIP, "--device=v100"], "mixed_float16"),
    ],
    ids=str,
)
def test_a_mistake_is_one_clear_line(arguments, expected):
    status, _, errors = plan(*arguments)
    assert status == 1, errors
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert expected in line
