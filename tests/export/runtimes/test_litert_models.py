import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from clipbench_tf.export.runtimes import functions, litert_models
from tests.export.runtimes.conftest import encoders, same


def test_the_image_tower_equals_the_export(made, tmp_path):
    litert_models.write(made.encoders, tmp_path)
    run = Interpreter(str(tmp_path / "image.tflite")).get_signature_runner()
    one = {name: value[:1] for name, value in made.image.items()}
    same(run(pixels=made.pixels[:1]), one)
    same(run(pixels=made.pixels), made.image)
    # Weights have 11 bits there.
    half = Interpreter(str(tmp_path / "image_float16.tflite")).get_signature_runner()
    same(half(pixels=made.pixels), made.image, atol=1e-2)
    assert np.abs(half(pixels=made.pixels)["embedding"] - made.image["embedding"]).max() > 1e-6


@pytest.mark.slow
def test_a_batch_of_one_needs_no_resizing(made, tmp_path):
    litert_models.write(made.encoders, tmp_path)
    facts = json.loads((tmp_path / "usage.json").read_text())["image"]
    interpreter = Interpreter(str(tmp_path / facts["file"]))
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    assert given["shape"][0] == facts["batch"] and given["dtype"] == np.uint8
    interpreter.set_tensor(given["index"], made.pixels[1:2])
    interpreter.invoke()
    found = [interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()]
    expected = made.image["embedding"][1:2]
    assert any(x.shape == expected.shape and np.allclose(x, expected, atol=1e-4) for x in found)


@pytest.mark.slow
def test_so_does_one_with_quick_gelu(tmp_path):
    model = encoders("vit_padding")
    litert_models.write(model, tmp_path)
    run = Interpreter(str(tmp_path / "image.tflite")).get_signature_runner()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    expected = functions.image(model)(pixels)
    same(run(pixels=pixels), {name: value.numpy() for name, value in expected.items()})
