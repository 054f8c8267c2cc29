"""docs/python.md and the README's few lines of Python, run as they stand but for fewer steps."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs import pages

pytestmark = pytest.mark.skipif(not pages.THERE, reason="the tests lie apart from the pages")


def shortened(text: str) -> str:
    for long, short in (("steps_per_epoch=40", "steps_per_epoch=2"), ("size=32)", "size=4)")):
        assert long in text
        text = text.replace(long, short)
    return text


@pytest.mark.slow
def test_a_method_is_trained_exported_and_used_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, colour in (("cat.png", "red"), ("dog.jpg", "blue")):
        Image.new("RGB", (80, 64), colour).save(name)
    use, train, log = (block.text for block in pages.blocks(pages.text("python.md")))
    names: dict = {}
    exec(shortened(train), names)
    assert int(names["method"].optimizer.iterations.numpy()) == 6
    exec(log.replace("steps_per_epoch=40", "steps_per_epoch=2"), names)
    logged = [json.loads(line) for line in Path("metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged] == [10] and np.isfinite(logged[0]["loss"])
    assert list(Path("tensorboard").glob("events*"))
    Path("runs/defilip").mkdir(parents=True)
    Path("saved_model").rename("runs/defilip/saved_model")
    exec(use, names)
    for vectors in (names["images"], names["texts"]):
        assert vectors.shape == (2, 128)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(names["probabilities"].sum(axis=1), [1.0], atol=1e-6)


def test_the_readme_has_the_same_lines():
    use = pages.blocks(pages.text("python.md"))[0]
    assert use in pages.blocks(pages.README.read_text(encoding="utf-8"))
