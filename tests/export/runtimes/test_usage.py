import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clipbench_tf.evaluation.scorers import late_interaction
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.runtimes import onnx_models, usage
from tests.export.runtimes.conftest import NAMES, TEMPLATES, encoders


def test_a_client_without_this_package_or_tensorflow_answers_like_the_export(made, tmp_path):
    onnx_models.write(made.encoders, tmp_path, templates=TEMPLATES)
    paths = []
    for number, data in enumerate(made.pictures):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(data)
    client = Path(__file__).with_name("client.py")
    done = subprocess.run(
        [sys.executable, "-I", client, tmp_path, json.dumps(NAMES), *paths],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    said = json.loads(line.removeprefix("ANSWER"))
    answer = np.array(said["probabilities"])
    assert not said["modules"]
    # Pillow's pixels differ from ours by up to one level of 255.
    expected = made.saved.classify(made.pictures, NAMES, TEMPLATES)
    np.testing.assert_allclose(answer, expected, atol=0.01)
    assert answer.max() - answer.min() > 0.05  # else equal answers would prove little


def test_says_how_inputs_are_made(made, tmp_path):
    model = made.encoders
    facts = {"file": "x"}
    usage.write(model, tmp_path, runtime="r", image=facts, text=facts, templates=TEMPLATES)
    said = json.loads((tmp_path / "usage.json").read_text())
    size = model.image_size
    assert said["image"]["file"] == "x" and said["runtime"] == "r"
    assert said["image"]["input"] == {
        "name": "pixels", "dtype": "uint8", "shape": ["batch", size, size, 3],
    }  # fmt: skip
    assert said["image"]["resize"]["shorter_side"] == {32: 37, 64: 64}[size]
    assert said["image"]["resize"]["interpolation"] == model.interpolation
    assert said["text"]["context_length"] == 24
    assert [said["text"][key] for key in ("start", "end", "pad")] == [
        *made.ids[0, [0, np.argmax(made.ids[0])]], 0,
    ]  # fmt: skip
    assert said["scores"]["by"] == model.scorer.name
    assert said["scores"]["temperature"] == pytest.approx(0.07)
    assert said["scores"]["templates"] == TEMPLATES


def test_says_what_differs_where_the_scorer_is_the_released_codes(tmp_path):
    model = encoders("vit_padding")
    model.scorer = late_interaction(model.method, average_positions=True)
    usage.write(model, tmp_path, runtime="r", image={}, text={}, templates=())
    said = json.loads((tmp_path / "usage.json").read_text())
    assert said["text"]["input"]["shape"] == ["batch", 24]
    assert said["text"]["padding"] == "to the context length"
    assert "position by position" in said["scores"]["class"]


def test_a_template_names_the_class(made, tmp_path):
    with pytest.raises(ExportError, match=r"no \{\} for the class name"):
        usage.write(made.encoders, tmp_path, runtime="r", image={}, text=None, templates=["a dog"])
    assert not list(tmp_path.iterdir())
