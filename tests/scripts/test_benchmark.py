"""The benchmark script: a record a line, and one line for what it cannot do."""

import json
import os
import subprocess
import sys

import pytest

from tests.scripts import in_process
from tests.training.runs import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "scripts/benchmark.py", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )


@pytest.mark.slow
def test_similarity_prints_a_record_for_each_case():
    flags = ("--batch=2", "--precision=float32", "--gathered=4", "--repetitions=1")
    done = run("similarity", *flags)
    assert done.returncode == 0, done.stderr
    both, selected, gathered = map(json.loads, done.stdout.splitlines())
    for record in (both, selected, gathered):
        assert record["benchmark"] == "similarity"
        assert record["unit"] == "ms"
        assert record["ours"] > 0
        assert record["peak_extra_mb"]["ours"] >= 0
    assert both["case"] == "both ways, B=2, float32"
    assert both["ratio"] > 0 < both["naive_tensorflow"]
    assert selected["peer"] > 0
    assert (gathered["peer"], gathered["ratio"]) == (None, None)


@pytest.mark.parametrize("arguments", [(), ("simil",), ("similarity", "tokenizer")])
def test_mistakes_are_one_line_that_lists_what_there_is(arguments):
    status, _, errors = in_process.run("benchmark.py", *arguments)
    assert status == 1
    assert errors.startswith("Error: ")
    assert "similarity, training_step, tokenizer, input_pipeline, preparation, reading" in errors
    assert errors.count("\n") == 1


def test_a_process_ends_without_a_traceback():
    done = run("similarity", "--precision=fp8")
    assert done.returncode == 1
    assert "is float32 or bfloat16" in done.stderr
    assert "Traceback" not in done.stderr
