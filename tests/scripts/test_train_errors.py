"""What a user reads who mistypes: one line, the input, the remedy, before any long work."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.pairs import write
from tests.scripts.in_process import train
from tests.training.runs import ROOT, command, epochs, start


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"gin_file": "gin/clipp.gin"}, "no gin file 'gin/clipp.gin'"),
        ({"bindings": ["recipe.Recipe.epoch = 3"]}, "epoch"),
        ({"bindings": ["recipes.Recipe.epochs = 3"]}, "recipes"),
        ({"bindings": ["EMBED_DIMM = 3"]}, "EMBED_DIMM"),
        ({"bindings": ["pipeline.Pipeline.dataset = 'emojis'"]}, "'emojis' is no folder"),
        (
            {"bindings": ["pipeline.Pipeline.dataset = 'tests'"]},
            "tests has no folders with pictures",
        ),
        ({"bindings": ["pipeline.Pipeline.split = 'trian'"]}, "no split 'trian'"),
        ({"bindings": ["pipeline.Pipeline.batch_size = 9999"]}, "smaller batch_size"),
        ({"bindings": ["strategy.prepare.precision = 'fp8'"]}, "mixed_bfloat16"),
        ({"bindings": ["recipe.Recipe.epochs = 0.5"]}, "warm-up"),
        (
            {
                "bindings": [
                    "include 'gin/models/emoji_vit.gin'",
                    "method.Method.chunks = 3",
                ],
            },
            "bind method.Method.chunks to a divisor of 32",
        ),
        (
            {
                "bindings": ["fine_grained.FineGrained.count_padding = True"],
                "gin_file": "gin/filip.gin",
            },
            "bind trim_captions = False",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_a_mistake_is_one_clear_line(arguments, expected, tmp_path):
    status, output = train(
        tmp_path / "run",
        *arguments.get("bindings", ()),
        gin_file=arguments.get("gin_file", "gin/clip.gin"),
    )
    assert status == 1, output
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert expected in line
    assert not (tmp_path / "run").exists()


def test_a_workdir_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    status, output = train(tmp_path / "file" / "run")
    assert status == 1
    assert "Traceback" not in output
    assert "Choose another --workdir" in output


def test_an_error_while_data_is_read_is_one_clear_line(tmp_path):
    """The shards hold 8 records each."""
    shards = [write(tmp_path / name, 8) + "/train.tfrecord" for name in "abc"]
    files = [str(Path(shard).relative_to(tmp_path)) for shard in shards]
    fields = {"splits": {"train": {"files": files, "examples": 24, "counts": [8, 7, 9]}}}
    (tmp_path / "dataset.json").write_text(json.dumps(fields))
    status, output = train(
        tmp_path / "run",
        f"pipeline.Pipeline.dataset = {str(tmp_path)!r}",
        "pipeline.Pipeline.batch_size = 8",
    )
    assert status == 1, output
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert "holds 8 records, but" in line and "start the same command again" in line


def process(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_process_ends_as_main_does(tmp_path):
    done = process(*command(tmp_path / "run", "pipeline.Pipeline.split = 'trian'"))
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert "no split 'trian'" in line
    assert "Traceback" not in done.stderr


def test_unknown_flags_and_stray_arguments_are_refused():
    for argument in ("--gin_fil=gin/clip.gin", "gin/clip.gin"):
        done = process(sys.executable, "scripts/train.py", argument)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_ctrl_c_before_the_first_step_is_one_line(few_drawings, tmp_path):
    unhurried = ("recipe.Recipe.warmup_epochs = 0", epochs(1000))
    running = start(tmp_path / "run", *few_drawings, *unhurried)
    for line in running.stdout:
        if line.startswith("Precision"):
            running.send_signal(signal.SIGINT)
            break
    rest, _ = running.communicate(timeout=300)
    assert running.returncode == 130, rest
    assert "Traceback" not in rest and "interrupted" in rest
