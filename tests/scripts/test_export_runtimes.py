"""scripts/export.py with the formats of other runtimes: what it leaves and prints."""

import json

import keras
import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from clipbench_tf import api
from tests.export.runtimes.conftest import NAMES, TEMPLATES, encoders, pictures
from tests.scripts import in_process


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An export with a folder of its own, and pixels and ids of what is encoded."""
    made = encoders("resnet")
    folder = api.export(
        made.method,
        made.tokenizer,
        tmp_path_factory.mktemp("run") / "saved_model",
        dataset="none",
        classes=NAMES,
        templates=TEMPLATES,
        scorer=made.scorer,
        image_size=made.image_size,
        resize=made.resize,
        interpolation=made.interpolation,
    )
    return folder, made.pixels(pictures())[0].numpy(), made.tokenizer(NAMES).numpy()


def by_keras(folder, name, inputs):
    return np.asarray(keras.saving.load_model(folder / f"{name}.keras")(inputs))


def by_onnx(folder, name, inputs):
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
    return session.run(["embedding"], {session.get_inputs()[0].name: inputs})[0]


def by_litert(folder, name, inputs):
    run = Interpreter(str(folder / f"{name}.tflite")).get_signature_runner()
    return run(pixels=inputs)["embedding"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "embed", "towers"),
    [
        ("onnx", by_onnx, 2),
        ("keras", by_keras, 2),
        ("litert", by_litert, 1),
    ],
)
def test_a_run_becomes_towers_for_another_runtime(form, embed, towers, model, tmp_path):
    folder, pixels, ids = model
    flags = [f"--model={folder.parent}", f"--output={tmp_path / 'out'}", f"--format={form}"]
    status, output, errors = in_process.run("export.py", *flags)
    assert (status, errors) == (0, "")
    assert "usage.json says how to make" in output and f"Wrote {tmp_path / 'out'}" in output
    expected = api.load(folder)
    found = embed(tmp_path / "out", "image", pixels)
    np.testing.assert_allclose(found, expected.encode_images(pictures()), atol=1e-4)
    if towers == 2:
        found = embed(tmp_path / "out", "text", ids)
        np.testing.assert_allclose(found, expected.encode_texts(NAMES), atol=1e-4)
    usage = json.loads((tmp_path / "out" / "usage.json").read_text())
    assert usage["scores"]["templates"] == TEMPLATES
    assert str(tmp_path) not in json.dumps(usage)
    status, _, errors = in_process.run("export.py", *flags)
    assert status == 1 and "exists; give another --output" in errors
