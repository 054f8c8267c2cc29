"""The plan as a command: its object, and what a user reads who mistypes."""

import json
import os
import subprocess
import sys

import keras
import pytest

from tests.scripts import in_process
from tests.training.runs import ROOT

CLIP = "--gin_file=gin/clip.gin"
PAPER = "--gin_file=gin/paper/table4_clip_vit_b32.gin"


@pytest.fixture
def _forget():
    """What a plan leaves undone, Keras would do later: give the variables their values."""
    yield
    keras.backend.clear_session()


def plan(*arguments: str) -> tuple[int, str, str]:
    return in_process.run("plan.py", *arguments)


def test_a_process_prints_one_json_object():
    done = subprocess.run(
        [sys.executable, "scripts/plan.py", CLIP, "--json", "--devices=2", "--device=h100"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # nor does TensorFlow say how it starts
    found = json.loads(done.stdout)
    assert found["devices"] == 2 and found["device"] == "h100"
    assert found["examples_from"] == "dataset.json"


@pytest.mark.usefixtures("_forget")
def test_what_does_not_fit_has_a_status_of_its_own():
    # Drawn in a moment, as it has few layers.
    shallow = ("vision_transformer.VisionTransformer", "text_transformer.TextTransformer")
    bindings = [f"--gin_bindings={tower}.depth = 2" for tower in shallow]
    bindings.append("--gin_bindings=pipeline.Pipeline.batch_size = 65536")
    status, output, errors = plan(PAPER, *bindings, "--devices=2")
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
        (
            [CLIP, "--device=v100", "--gin_bindings=strategy.prepare.precision='mixed_bfloat16'"],
            "mixed_float16",
        ),
    ],
    ids=str,
)
def test_a_mistake_is_one_clear_line(arguments, expected):
    status, _, errors = plan(*arguments)
    assert status == 1, errors
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert expected in line
