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

from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export import card
from clipbench_tf.export.saved_encoders import SavedEncoders
from clipbench_tf.export.saved_model import export
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method

TEMPLATES = ("{}", "a {} thing")
STALE = "assets.extra/stale"
IMAGES = [png(colour) for colour in COLOURS]
TEXTS = [
    *NAMES,
    "",
    "Ärger   über\tUNICODE 2024 ✨ and more words than sixteen tokens can hold",
]


def encoders_of(make_scorer=cosine, strategy=None) -> MethodEncoders:
    """Those of a tiny method, in memory."""
    with (strategy or tf.distribute.get_strategy()).scope():
        method, tokenizer = tiny_method()
    scorer = make_scorer(method)
    return MethodEncoders(method, tokenizer=tokenizer, scorer=scorer, image_size=SIZE)


def export_to(folder: Path, encoders: MethodEncoders, classes=NAMES) -> None:
    export(
        encoders.method,
        encoders.tokenizer,
        folder,
        dataset="tiny",
        classes=classes,
        templates=TEMPLATES,
        scorer=encoders.scorer,
        image_size=SIZE,
    )


def scores_of(encoders) -> np.ndarray:
    representation, valid = encoders.represent_images(tf.constant(IMAGES))
    assert valid.numpy().all()
    return Classifier(encoders, NAMES, TEMPLATES).scores(representation)


@pytest.fixture(scope="module")
def exports(tmp_path_factory, two_replicas):
    """The folder of an export and its encoders in memory, by the name of the scorer.

    The second export has the weights of two replicas; the first replaces a copy of the second.
    """
    first, second = (tmp_path_factory.mktemp("export") / "saved_model" for _ in range(2))
    mirrored = encoders_of(late_interaction, two_replicas)
    export_to(second, mirrored)
    shutil.copytree(second, first)
    (first / STALE).write_text("")
    encoders = encoders_of()
    export_to(first, encoders)
    return {"cosine": (first, encoders), "late_interaction": (second, mirrored)}


@pytest.fixture(scope="module", params=["cosine", "late_interaction"])
def made(request, exports):
    return exports[request.param]


@pytest.fixture(scope="module")
def cosine_export(exports) -> Path:
    """An export to be copied."""
    return exports["cosine"][0]


@pytest.fixture(scope="module")
def told(exports):
    """What a process without clipbench_tf gets from each export, by the name of the scorer."""
    stranger = Path(__file__).with_name("stranger.py")
    asked = {"images": [base64.b64encode(image).decode() for image in IMAGES], "texts": TEXTS}
    folders = [folder for folder, _ in exports.values()]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", stranger, json.dumps(asked), *folders],
        cwd=folders[0].parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    return dict(zip(exports, json.loads(line.removeprefix("ANSWER")), strict=True))


@pytest.fixture(scope="module")
def answers(made, told):
    """The encoders of an export in memory, and what `stranger.py` got from the export."""
    _, encoders = made
    return encoders, told[encoders.scorer.name]


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
        "inputs": {"image": "string", "k": "int32"},
        "outputs": {"scores": "float32", "classes": "string", "valid": "bool"},
    }
    assert signatures["encode_image"]["outputs"] == {"embedding": "float32", "valid": "bool"}
    assert signatures["encode_text"] == {
        "inputs": {"text": "string"},
        "outputs": {"embedding": "float32"},
    }
    assert signatures["score"]["outputs"] == {"scores": "float32"}
    assert signatures["score_texts"] == signatures["score"]
    assert signatures["image_features"] == {
        "inputs": {"image": "string"},
        "outputs": {"features": "float32", "valid": "bool"},
    }
    tensors = {"cosine": {"image_embedding", "class_embedding"}}
    tensors["late_interaction"] = {"image_tokens", "class_tokens", "class_mask"}
    assert set(signatures["score"]["inputs"]) == tensors[encoders.scorer.name]


def test_embeddings_equal_those_in_memory(answers):
    encoders, answer = answers
    method = encoders.method
    image = method.image_encoder(encoders.pixels(tf.constant(IMAGES))[0]).embedding.numpy()
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


def test_bytes_that_are_no_image_are_told_and_do_not_touch_the_others(answers):
    _, answer = answers
    valid, scores = answer["bad"]
    assert valid == [True, False, True] and scores[1] == [0.0] * 5
    np.testing.assert_allclose([scores[0], scores[2]], answer["scores"][:2], atol=1e-6)
    valid, embedding = answer["bad_embedding"]
    assert valid == [True, False, True] and embedding[1] == [0.0] * 6
    np.testing.assert_allclose([embedding[0], embedding[2]], answer["image"][:2], atol=1e-6)


def test_python_may_leave_k_out(answers):
    np.testing.assert_allclose(answers[1]["without_k"], answers[1]["scores"], atol=1e-6)


def test_loaded_scores_equal_those_in_memory(made):
    """Those of late interaction come from weights that two replicas hold."""
    folder, encoders = made
    loaded = SavedEncoders(folder)
    np.testing.assert_allclose(scores_of(loaded), scores_of(encoders), atol=1e-5)
    representation, valid = loaded.represent_images(tf.constant([IMAGES[0], b"no image"]))
    np.testing.assert_array_equal(valid, [True, False])
    assert set(representation) == set(encoders.represent_images(tf.constant(IMAGES))[0])


@pytest.mark.slow
@pytest.mark.bfloat16
def test_float32_comes_out_of_a_bfloat16_model(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    encoders = encoders_of()
    export_to(tmp_path / "model", encoders)
    assert encoders.images(encoders.pixels(tf.constant(IMAGES))[0]).embedding.dtype == tf.bfloat16
    loaded = SavedEncoders(tmp_path / "model")
    assert loaded.card["precision"] == "float32"
    assert loaded.card["trained_in"] == "mixed_bfloat16"
    for function in loaded._run.values():
        for output in function.structured_outputs.values():
            assert output.dtype in (tf.float32, tf.string, tf.bool, tf.int32)
        # Nor inside the functions: a CPU without bfloat16 instructions would emulate them.
        assert "DT_BFLOAT16" not in str(function.graph.as_graph_def(add_shapes=False))
    np.testing.assert_allclose(scores_of(loaded), scores_of(encoders), atol=2e-2)  # of bfloat16
    exact = MethodEncoders(
        encoders.method,
        tokenizer=encoders.tokenizer,
        scorer=encoders.scorer,
        image_size=SIZE,
        exact=True,
    )
    np.testing.assert_allclose(scores_of(loaded), scores_of(exact), atol=1e-5)
    assert encoders.method.image_encoder.compute_dtype == "bfloat16"  # as it was


def test_model_card(cosine_export):
    facts = card.read(cosine_export)
    assert facts["method"] == "tiny"
    assert facts["dataset"] == "tiny"
    assert (facts["classes"], facts["templates"]) == (5, list(TEMPLATES))
    assert (facts["image_size"], facts["embed_dim"], facts["context_length"]) == (SIZE, 6, 16)
    assert facts["scorer"] == "cosine"
    assert facts["temperature"] == pytest.approx(0.07)
    assert facts["versions"]["tensorflow"] == tf.__version__


def test_replaces_an_earlier_export_whole(cosine_export):
    # Other tests show by its scores and its card that it is the new one.
    assert not (cosine_export / STALE).exists()
    assert list(cosine_export.parent.iterdir()) == [cosine_export]


def test_refuses_a_folder_of_something_else(tmp_path, exports):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(card.ExportError, match="choose another folder"):
        export_to(tmp_path, exports["cosine"][1])
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def contents(folder: Path) -> dict[Path, bytes]:
    return {f.relative_to(folder): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_an_export_that_fails_leaves_the_earlier_one(tmp_path, exports, monkeypatch):
    earlier, encoders = exports["cosine"]
    folder = shutil.copytree(earlier, tmp_path / "model")

    def fail(module, path, *_):
        Path(path).mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        export_to(folder, encoders)
    assert contents(folder) == contents(earlier)


def test_needs_classes(tmp_path, exports):
    with pytest.raises(card.ExportError, match="class names and templates; got 0 and 2"):
        export_to(tmp_path / "model", exports["cosine"][1], classes=())


def test_a_damaged_export_is_named(tmp_path, cosine_export):
    folder = shutil.copytree(cosine_export, tmp_path / "model")
    (folder / "variables/variables.index").unlink()
    with pytest.raises(card.ExportError, match="damaged and cannot be loaded"):
        SavedEncoders(folder)
