"""Signatures, read from files that TensorFlow wrote."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.export.card import ExportError
from clipbench_tf.serving import signatures
from clipbench_tf.serving.errors import RequestError
from tests.serving import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.texts(tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def known(folder):
    return signatures.read(folder)[0]


def test_types_shapes_and_defaults_are_those_of_the_functions(known, folder):
    default = known["serving_default"]
    assert default.inputs["text"].shape == (None,) and default.inputs["text"].dtype == tf.string
    assert default.inputs["times"].shape == () and default.inputs["times"].default == 2
    assert default.required == ["text"]
    assert default.outputs["length"].dtype == tf.int32
    loaded = tf.saved_model.load(str(folder))
    assert set(known) == set(loaded.signatures)


def test_requests_are_joined_along_pictures_texts_or_prompts(known):
    assert known["serving_default"].joined == "text"
    assert known["picture"].joined == "image"
    several = {"image_x": signatures.Tensor(tf.float32, (None, 3))}
    assert signatures.Signature("score", several, {}).joined is None


def test_what_is_given_is_completed_by_the_defaults(known):
    checked = known["serving_default"].checked({"text": np.array([b"a"], object)})
    assert checked["times"] == 2 and checked["times"].dtype == np.int32
    given = known["serving_default"].checked({"text": np.array(["a"]), "times": 4})
    assert given["times"] == 4 and given["text"].dtype == object


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Missing named input: 'text'"),
        ({"text": np.array(b"a", object)}, r"'text'.*shape \[\]"),
        ({"text": np.array([[b"a"]], object)}, r"'text'.*shape \[1, 1\]"),
        ({"text": np.array([b"a"], object), "times": [1, 2]}, "'times'"),
        ({"text": np.array([b"a"], object), "times": "x"}, "'times'.*no int32"),
        ({"text": np.array([b"a"], object), "tmies": 1}, "no input 'tmies'.*'times'"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(given, said, known):
    with pytest.raises(RequestError, match=said) as refused:
        known["serving_default"].checked(given)
    assert refused.value.status == 400


def test_a_damaged_file_is_said(tmp_path, folder):
    whole = (folder / "saved_model.pb").read_bytes()
    for part in (b"", whole[: len(whole) // 2], b"\xff" * 100):
        (tmp_path / "saved_model.pb").write_bytes(part)
        with pytest.raises(ExportError, match="damaged"):
            signatures.read(tmp_path)


def shared_of(**extra) -> dict | None:
    """What the rows of a request for two pictures share, of `extra`."""
    inputs = {
        "image": signatures.Tensor(tf.string, (None,)),
        "k": signatures.Tensor(tf.int32, None, np.array(5, np.int32)),
        "templates": signatures.Tensor(tf.string, None, np.array([b"{}"], object)),
        "classes": signatures.Tensor(tf.string, (None, None)),
        "class_embedding": signatures.Tensor(tf.float32, (None, 3)),
    }
    asked = {name: inputs[name] for name in ("image", *extra)}
    one = signatures.Signature("classify", asked, {})
    found = one.shared(one.checked({"image": np.array([b"a", b"b"], object), **extra}))
    return found and {name: found[name].tolist() for name in extra}


def test_what_all_rows_share_is_told_from_what_each_has():
    texts = np.array([[b"{}", b"a {}"]], object)
    assert shared_of(k=np.array(3)) == {"k": 3}
    assert shared_of(k=np.array([3, 3])) == {"k": 3}
    assert shared_of(k=np.array([3, 4])) is None
    assert shared_of(k=np.array([3])) is None
    assert shared_of(templates=texts[0]) == {"templates": [b"{}", b"a {}"]}
    assert shared_of(templates=np.concatenate([texts, texts])) == {"templates": [b"{}", b"a {}"]}
    assert shared_of(templates=np.concatenate([texts, texts[:, ::-1]])) is None
    assert shared_of(classes=texts) == {"classes": [[b"{}", b"a {}"]]}
    assert shared_of(classes=np.concatenate([texts, texts])) is None
    embeddings = np.zeros([4, 3], np.float32)
    assert shared_of(class_embedding=embeddings) == {"class_embedding": embeddings.tolist()}


def test_each_signature_of_pictures_or_texts_alone_has_first_requests(tmp_path):
    known, _ = signatures.read(models.texts(tmp_path / "texts"))
    found = list(signatures.first_requests(known))
    assert {name for name, _ in found} == {"serving_default", "picky", "total", "picture"}
    pictures = [inputs["image"] for name, inputs in found if name == "picture"]
    assert tf.io.decode_image(pictures[0][0]).shape == (64, 64, 3)
