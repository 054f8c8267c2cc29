"""The commands of docs/serving.md, as they stand: the server is started, and asked with curl."""

import json
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from clipbench_tf.export.exported_model import ExportedModel
from tests.docs import pages, shell
from tests.evaluation.samples import NAMES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not pages.THERE, reason="the tests lie apart from the pages"),
    pytest.mark.skipif(not shutil.which("curl"), reason="needs curl"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    shell.prepared(folder)
    return folder


@pytest.fixture(scope="module")
def said(folder):
    """The line that says where the server is; it runs meanwhile, on a free port."""
    words = shlex.split(shell.block(pages.text("serving.md"), "serve.py"))
    script = str(pages.ROOT / words[1])
    process = subprocess.Popen(
        [words[0], script, *words[2:], "--port=0"],
        cwd=folder,
        env=shell.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield next(line for line in process.stdout if line.startswith("Ready"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_it_prints_the_addresses_that_the_page_names(said):
    first = pages.text("serving.md").split("\n## ")[0]
    named = re.findall(r"`http://127\.0\.0\.1:8501(/[\w/]*)`", first)
    assert re.findall(r"http://127\.0\.0\.1:\d+(/[\w/]*)", said) == named


def test_the_lines_with_curl_are_answered(said, folder):
    lines = shell.block(pages.text("serving.md"), "curl")
    port = re.search(r":(\d+)/", said)[1]
    assert lines.count("localhost:8501") == lines.count("curl ") == 5
    printed = shell.output(lines.replace("localhost:8501", f"localhost:{port}"), folder)
    status, metadata, texts, best, named = documents(printed)

    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    assert "encode_text" in metadata["metadata"]["signature_def"]["signature_def"]
    model, picture = ExportedModel(folder / "runs/clip/saved_model"), folder / "picture.png"
    np.testing.assert_allclose(texts["predictions"], model.encode_texts(["a red apple"]), atol=1e-5)
    (answer,) = best["predictions"]
    assert answer["valid"] and set(answer["classes"]) == set(NAMES)
    (expected,) = model.classify([picture], NAMES)
    np.testing.assert_allclose(answer["scores"], sorted(expected, reverse=True), atol=1e-5)
    assert answer["classes"][0] == NAMES[expected.argmax()]
    names = ["a face", "a car"]
    (expected,) = model.classify([picture], names)
    assert named["outputs"]["classes"] == [[names[expected.argmax()]]]
    np.testing.assert_allclose(named["outputs"]["scores"], [[expected.max()]], atol=1e-5)


def documents(text: str) -> list[dict]:
    """The JSON documents that follow each other in `text`."""
    found, at = [], 0
    while at < len(text.rstrip()):
        document, at = json.JSONDecoder().raw_decode(text, at)
        found.append(document)
    return found
