"""The benchmark script: a record a line, and one line for what it cannot do."""

import json
import os
import subprocess
import sys

import pytest

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


def test_mistakes_are_one_line_that_lists_what_there_is():
    for arguments in ((), ("simil",), ("similarity", "tokenizer")):
        done = run(*arguments)
        assert done.returncode == 1
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert "similarity, training_step, tokenizer, input_pipeline, preparation, reading" in line
        assert "Traceback" not in done.stderr
    assert run("similarity", "--precision=fp8").returncode != 0
