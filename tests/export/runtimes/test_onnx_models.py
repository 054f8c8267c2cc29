import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

from clipbench_tf import api
from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.runtimes import functions, onnx_models
from clipbench_tf.models.hub_image import HubImage
from clipbench_tf.models.hub_text import HubText
from tests.export.runtimes.conftest import encoders, same
from tests.models.hub_presets import LENGTH, SIZE, preset


def run(session: onnxruntime.InferenceSession, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs by name."""
    (given,), names = session.get_inputs(), [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {given.name: inputs}), strict=True))


def test_both_towers_equal_the_export_in_batches_of_any_size(made, tmp_path):
    lines = onnx_models.write(made.encoders, tmp_path)
    assert "image.onnx (" in lines[0] and "text.onnx (" in lines[0]
    image = onnxruntime.InferenceSession(tmp_path / "image.onnx")
    same(run(image, made.pixels), made.image)
    same(run(image, made.pixels[:1]), {name: value[:1] for name, value in made.image.items()})
    same(run(image, made.pixels[:0]), {name: value[:0] for name, value in made.image.items()})
    text = onnxruntime.InferenceSession(tmp_path / "text.onnx")
    same(run(text, made.ids), made.text)
    short = made.ids[:, : np.argmax(made.ids, axis=1).max() + 1]
    assert short.shape[1] < made.ids.shape[1]
    same(run(text, short), made.text)
    assert text.get_inputs()[0].shape == ["batch", "length"]
    for name in ("image", "text"):
        model = onnx.load(tmp_path / f"{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        domains = {entry.domain: entry.version for entry in model.opset_import}
        assert domains[""] == onnx_models.OPSET
        assert {node.domain for node in model.graph.node} <= {""}  # no operators of a vendor


def test_says_what_to_install(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ExportError, match="pip install 'tf2onnx"):
        onnx_models.write(made.encoders, tmp_path)
    assert not list(tmp_path.iterdir())


def test_where_padding_counts_texts_have_one_length(tmp_path):
    model = encoders("vit_padding")
    onnx_models.write(model, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "text.onnx")
    assert session.get_inputs()[0].shape == ["batch", 24]
    ids = model.tokenizer(["a word", "two words more"]).numpy()
    expected = functions.text(model)(ids)
    same(run(session, ids), {name: value.numpy() for name, value in expected.items()})


def test_what_tf2onnx_cannot_convert_is_no_file_that_fails_later(made):
    spec = [tf.TensorSpec([None, 4], tf.float32, name="x")]
    function = tf.function(tf.math.lgamma, input_signature=spec, autograph=False)
    with pytest.raises(ExportError, match=r"cannot convert this tower \(Lgamma\); export a Saved"):
        onnx_models._converted(function, made.encoders.method.image_encoder, "x.onnx", ())


def hub(image: str) -> MethodEncoders:
    """Those of KerasHub's backbones `image` and BERT."""
    method = api.Method(
        image_encoder=HubImage(preset=preset(image), image_size=SIZE, embed_dim=6),
        text_encoder=HubText(preset=preset("bert"), context_length=LENGTH, embed_dim=6),
        objectives=[api.ImageText()],
        name="hub",
    )
    images = tf.zeros([2, 1, SIZE, SIZE, 3], tf.uint8)
    method.build({"images": images, "ids": tf.ones([2, 1, LENGTH], tf.int32)})
    tokenizer = HubTokenizer(preset=preset("bert"), context_length=LENGTH)
    return MethodEncoders(method, tokenizer=tokenizer, scorer=cosine(method), image_size=SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("image", ["vit", "swin"])
def test_towers_of_keras_hub(image, tmp_path):
    model = hub(image)
    onnx_models.write(model, tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    ids = model.tokenizer(tf.constant(["a red cat", "the dog"])).numpy()
    for name, inputs, function in (
        ("image", pixels, functions.image),
        ("text", ids, functions.text),
    ):
        found = run(onnxruntime.InferenceSession(tmp_path / f"{name}.onnx"), inputs)
        expected = function(model)(inputs)
        same(found, {name: value.numpy() for name, value in expected.items()})
    said = json.loads((tmp_path / "usage.json").read_text())["text"]
    assert said["tokenizer"] == {"library": "keras_hub", "preset": "bert"}
