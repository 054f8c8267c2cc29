"""Broken pictures and texts crash no process that serves an export, and touch no other answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clipbench_tf.evaluation.scorers import late_interaction
from clipbench_tf.export.saved_model import export
from tests.evaluation.samples import NAMES, SIZE, tiny_method

PROGRAM = Path(__file__).with_name("fuzz.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    method, tokenizer = tiny_method()
    return export(
        method,
        tokenizer,
        tmp_path_factory.mktemp("export") / "saved_model",
        dataset="tiny",
        classes=NAMES,
        templates=("{}",),
        scorer=late_interaction(method),
        image_size=SIZE,
    )


def asked(what: str, folder: Path, number: int) -> dict:
    """What a process of its own answers; a signal that ended it is told with its last request."""
    done = subprocess.run(
        [sys.executable, PROGRAM, what, folder, "15", str(number)],
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1:]
    assert done.returncode == 0, f"{done.returncode} after {last}: {done.stderr[-3000:]}"
    return json.loads(last[0].removeprefix("ANSWER"))


@pytest.mark.slow
def test_a_thousand_broken_pictures(folder):
    answer = asked("pictures", folder, 1000)
    assert (answer["changed"], answer["wrong"]) == (0, 0)
    assert 100 < answer["valid"] < 700  # some can be read all the same, but many cannot


@pytest.mark.slow
def test_twenty_thousand_captions(folder):
    answer = asked("texts", folder, 20_000)
    assert (answer["changed"], answer["wrong"]) == (0, 0)


@pytest.mark.slow
def test_pictures_of_400_million_pixels_are_refused_with_little_memory(folder):
    answer = asked("huge", folder, 1)
    assert answer["valid"] == [True, False, False, True]
    assert answer["bytes"] < 200 << 20  # a decoded one would be 1.2 GB
