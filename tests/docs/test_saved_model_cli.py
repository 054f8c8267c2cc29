"""The lines with TensorFlow's saved_model_cli in docs/export.md and the README, as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest

from clipbench_tf.export.exported_model import ExportedModel
from tests.docs import pages, shell
from tests.evaluation.samples import NAMES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not pages.THERE, reason="the tests lie apart from the pages"),
]
INPUTS = ["classes", "image", "k", "templates"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    shell.prepared(folder)
    return folder


def results(printed: str, key: str) -> list[list[str]]:
    """What each run printed of the output `key`: strings or numbers."""
    found = re.findall(rf"output key {key}:\n(\[.*?\])\n(?=Result|$)", printed, re.DOTALL)
    return [[a or b for a, b in re.findall(r"b'([^']*)'|([\d.e-]+)", one)] for one in found]


def test_the_lines_of_the_page_show_and_run_the_export(folder):
    printed = shell.output(shell.block(pages.text("export.md"), "saved_model_cli"), folder)
    assert re.findall(r"inputs\['(\w+)'\]", printed) == INPUTS
    model = ExportedModel(folder / "runs/clip/saved_model")
    asked = (NAMES, ["cat", "dog"])
    answers = (results(printed, "classes"), results(printed, "scores"))
    for names, classes, scores in zip(asked, *answers, strict=True):
        (expected,) = model.classify([folder / "cat.png"], names)
        best = np.argsort(-expected)[:2]
        assert classes == [names[n] for n in best]
        np.testing.assert_allclose([float(score) for score in scores], expected[best], atol=1e-5)


def test_the_python_of_the_page_prints_the_best_class(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (lines,) = [
        block.text
        for block in pages.blocks(pages.text("export.md"))
        if block.language == "python" and "serving_default" in block.text
    ]
    exec(lines, {})
    name, _, score = capsys.readouterr().out.strip().rpartition(" ")
    (expected,) = ExportedModel(folder / "runs/clip/saved_model").classify(["cat.png"], NAMES)
    assert name == NAMES[expected.argmax()]
    assert float(score) == pytest.approx(expected.max(), abs=1e-5)


def test_the_lines_of_the_readme_show_what_can_be_asked_and_ask(folder):
    lines = shell.block(pages.README.read_text(encoding="utf-8"), "saved_model_cli").splitlines()
    show, run = [line for line in lines if line.startswith("saved_model_cli")]
    printed = shell.output(show, folder)
    assert re.findall(r"inputs\['(\w+)'\]", printed) == INPUTS
    assert re.findall(r"outputs\['(\w+)'\]", printed) == ["classes", "scores", "valid"]
    (found,) = results(shell.output(run, folder), "embedding")
    model = ExportedModel(folder / "runs/clip/saved_model")
    np.testing.assert_allclose(list(map(float, found)), model.encode_texts(["a cat"])[0], atol=1e-5)
