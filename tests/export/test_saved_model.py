import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method

from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.evaluation.zero_shot import Classifier
from clipbench_tf.export import card
from clipbench_tf.export.loaded import SavedEncoders
from clipbench_tf.export.saved_model import export

TEMPLATES = ("{}", "a {} thing")
IMAGES = [png(colour) for colour in COLOURS]
TEXTS = [
    *NAMES,
    "",
    "Ärger   über\tUNICODE 2024 ✨ and more words than sixteen tokens can hold",
]


def exported(folder: Path, make_scorer=cosine, strategy=None):
    """A tiny method in `folder`, and its encoders in memory."""
    with (strategy or tf.distribute.get_strategy()).scope():
        method, tokenizer = tiny_method()
    scorer = make_scorer(method)
    export(
        method,
        tokenizer,
        folder,
        dataset="tiny",
        classes=NAMES,
        templates=TEMPLATES,
        scorer=scorer,
        image_size=SIZE,
    )
    return MethodEncoders(method, tokenizer=tokenizer, scorer=scorer, image_size=SIZE)


def scores_of(encoders) -> np.ndarray:
    representation, valid = encoders.represent_images(tf.constant(IMAGES))
    assert valid.numpy().all()
    return Classifier(encoders, NAMES, TEMPLATES).scores(representation)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Folder of an export and its encoders in memory, by the name of the scorer."""
    made = {}
    for make_scorer in (cosine, late_interaction):
        folder = tmp_path_factory.mktemp("export") / "saved_model"
        made[make_scorer.__name__] = folder, exported(folder, make_scorer)
    return made


@pytest.fixture(scope="module", params=["cosine", "late_interaction"])
def made(request, exports):
    return exports[request.param]


@pytest.fixture(scope="module")
def cosine_export(exports) -> Path:
    """An export to be copied."""
    return exports["cosine"][0]


@pytest.fixture(scope="module")
def answers(made):
    """What a process without clipbench_tf gets from the export, and the encoders in memory."""
    folder, encoders = made
    stranger = Path(__file__).with_name("stranger.py")
    asked = {"images": [base64.b64encode(image).decode() for image in IMAGES], "texts": TEXTS}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", stranger, folder, json.dumps(asked)],
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    return encoders, json.loads(line.removeprefix("ANSWER"))


def test_needs_nothing_but_core_tensorflow(answers):
    _, answer = answers
    assert not answer["modules"]
    assert not answer["not_core"]
    # Python functions are registered ops, but no server has the Python behind them.
    assert not [op for op in answer["ops"] if "PyFunc" in op]


def test_nothing_must_be_compiled_by_a_server(cosine_export):
    assert b"XlaMustCompile" not in (cosine_export / "saved_model.pb").read_bytes()


def test_signatures(answers):
    encoders, answer = answers
    signatures = answer["signatures"]
    assert signatures["serving_default"] == {
        "inputs": {"image": "string"},
        "outputs": {"scores": "float32", "classes": "string"},
    }
    assert signatures["encode_image"]["outputs"] == {"embedding": "float32"}
    assert signatures["encode_text"] == {
        "inputs": {"text": "string"},
        "outputs": {"embedding": "float32"},
    }
    assert signatures["score"]["outputs"] == {"scores": "float32"}
    tensors = {"cosine": {"image_embedding", "class_embedding"}}
    tensors["late_interaction"] = {"image_tokens", "class_tokens", "class_mask"}
    assert set(signatures["score"]["inputs"]) == tensors[encoders.scorer.name]


def test_embeddings_equal_those_in_memory(answers):
    encoders, answer = answers
    method = encoders.method
    image = method.image_encoder(encoders.pixels(tf.constant(IMAGES))).embedding.numpy()
    text = method.text_encoder(encoders.tokenizer(TEXTS)).embedding.numpy()
    for got, expected in ((answer["image"], image), (answer["text"], text)):
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_answers_are_probabilities_of_names_best_first(answers):
    encoders, answer = answers
    logits = scores_of(encoders) * float(encoders.scorer.scale())
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert len(set(map(tuple, answer["classes"]))) > 1  # else the order would prove little
    for row, scores, names in zip(expected, answer["scores"], answer["classes"], strict=True):
        assert scores == sorted(scores, reverse=True)
        assert sorted(names) == sorted(NAMES)
        np.testing.assert_allclose(scores, [row[NAMES.index(name)] for name in names], atol=1e-5)
    np.testing.assert_allclose(answer["one"], answer["scores"][:1], atol=1e-6)


def test_empty_batches_have_empty_answers(answers):
    assert answers[1]["empty"] == [[0, 6], [0, 6], [0, 5], [0, 5]]


def test_bytes_that_are_no_image_give_an_error_that_says_so(answers):
    assert "no image that can be decoded" in answers[1]["error"]
    assert "[1]" in answers[1]["error"]


def test_loaded_scores_equal_those_in_memory(made):
    folder, encoders = made
    loaded = SavedEncoders(folder)
    np.testing.assert_allclose(scores_of(loaded), scores_of(encoders), atol=1e-5)
    representation, valid = loaded.represent_images(tf.constant([IMAGES[0], b"no image"]))
    np.testing.assert_array_equal(valid, [True, False])
    assert set(representation) == set(encoders.represent_images(tf.constant(IMAGES))[0])


def test_float32_comes_out_of_a_bfloat16_model(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    encoders = exported(tmp_path / "model")
    assert encoders.images(encoders.pixels(tf.constant(IMAGES))).embedding.dtype == tf.bfloat16
    loaded = SavedEncoders(tmp_path / "model")
    assert loaded.card["precision"] == "mixed_bfloat16"
    for function in loaded._run.values():
        for output in function.structured_outputs.values():
            assert output.dtype in (tf.float32, tf.string, tf.bool)
    np.testing.assert_allclose(scores_of(loaded), scores_of(encoders), atol=1e-2)


def test_weights_of_two_replicas_are_exported_once(tmp_path, two_replicas):
    encoders = exported(tmp_path / "model", strategy=two_replicas)
    np.testing.assert_allclose(
        scores_of(SavedEncoders(tmp_path / "model")), scores_of(encoders), atol=1e-5
    )


def test_model_card(cosine_export):
    facts = card.read(cosine_export)
    assert facts["method"] == "tiny"
    assert facts["dataset"] == "tiny"
    assert (facts["classes"], facts["templates"]) == (5, list(TEMPLATES))
    assert (facts["image_size"], facts["embed_dim"], facts["context_length"]) == (SIZE, 6, 16)
    assert facts["scorer"] == "cosine"
    assert facts["temperature"] == pytest.approx(0.07)
    assert facts["versions"]["tensorflow"] == tf.__version__


def test_replaces_an_earlier_export_whole(tmp_path, cosine_export):
    folder = shutil.copytree(cosine_export, tmp_path / "model")
    (folder / "assets.extra/stale").write_text("")
    exported(folder)
    assert not (folder / "assets.extra/stale").exists()
    assert scores_of(SavedEncoders(folder)).shape == (5, 5)
    assert list(tmp_path.iterdir()) == [folder]


def test_refuses_a_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(card.ExportError, match="choose another folder"):
        exported(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_export_that_fails_leaves_the_earlier_one(tmp_path, cosine_export, monkeypatch):
    folder = shutil.copytree(cosine_export, tmp_path / "model")

    def fail(module, path, *_):
        Path(path).mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        exported(folder)
    assert scores_of(SavedEncoders(folder)).shape == (5, 5)


def test_needs_classes(tmp_path):
    method, tokenizer = tiny_method()
    with pytest.raises(card.ExportError, match="class names and templates; got 0 and 1"):
        export(
            method,
            tokenizer,
            tmp_path / "model",
            dataset="tiny",
            classes=(),
            templates=("{}",),
            scorer=cosine(method),
            image_size=SIZE,
        )


def test_a_damaged_export_is_named(tmp_path, cosine_export):
    folder = shutil.copytree(cosine_export, tmp_path / "model")
    (folder / "variables/variables.index").unlink()
    with pytest.raises(card.ExportError, match="damaged and cannot be loaded"):
        SavedEncoders(folder)
