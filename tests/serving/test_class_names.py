"""Names in a request are cleaned, counted and refused as in evaluation, and answered as given."""

import asyncio
import json
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.text.cleaning import clean
from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.export.exported_model import ExportedModel
from clipbench_tf.export.saved_model import export
from clipbench_tf.serving import class_names
from clipbench_tf.serving.application import application
from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.limits import Limits
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method
from tests.serving import models

AWKWARD = [
    "bird\u2019s nest",
    "salt &amp; pepper",
    "dog",
    "a  red\n apple",
    "dog ",
    "na\u00c3\u00afve",
]
TEMPLATES = ("a photo of\u00a0a {}", "{} &amp; more")
PICTURES = [png(colour) for colour in COLOURS[:3]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    method, tokenizer = tiny_method()
    return export(
        method,
        tokenizer,
        tmp_path_factory.mktemp("tiny") / "saved_model",
        dataset="tiny",
        classes=NAMES,
        templates=("{}",),
        scorer=cosine(method),
        image_size=SIZE,
    )


@pytest.fixture(scope="module")
def served(folder):
    one = models.loaded(folder, Limits(prompts=40))
    yield one
    one.close()


def asked(served, classes, templates=TEMPLATES, k=6) -> dict[str, np.ndarray]:
    inputs = {
        "image": np.array(PICTURES, object),
        "classes": strings(classes),
        "templates": strings(templates),
        "k": np.array(k),
    }
    return asyncio.run(served.predict("classify", inputs))


def strings(nested) -> np.ndarray:
    array = np.array(nested, object)
    flat = [t if isinstance(t, bytes) else t.encode() for t in array.flat]
    return np.array(flat, object).reshape(array.shape)


def test_the_probabilities_are_those_of_the_classifier_and_names_are_those_given(served, folder):
    expected = ExportedModel(folder).classify(PICTURES, AWKWARD, TEMPLATES)
    answer = asked(served, [AWKWARD])
    for row, wanted in enumerate(expected):
        found = [name.decode() for name in answer["classes"][row]]
        assert sorted(found) == sorted(AWKWARD)
        for name, score in zip(found, answer["scores"][row], strict=True):
            assert score == pytest.approx(wanted[AWKWARD.index(name)], abs=1e-5)
    plain = asked(served, [[clean(name) for name in AWKWARD]])
    np.testing.assert_array_equal(plain["scores"], answer["scores"])


def test_without_cleaning_they_would_be_others(served, folder):
    outputs = tf.saved_model.load(str(folder)).signatures["classify"](
        image=tf.constant(PICTURES),
        classes=tf.constant([AWKWARD]),
        templates=tf.constant(TEMPLATES),
        k=tf.constant(len(AWKWARD)),
    )
    assert np.abs(outputs["scores"] - asked(served, [AWKWARD])["scores"]).max() > 1e-3


def test_each_row_has_its_own_names(served):
    rows = [AWKWARD[:2], AWKWARD[2:4], AWKWARD[4:]]
    answer = asked(served, rows, k=2)
    for found, given in zip(answer["classes"], rows, strict=True):
        assert sorted(name.decode() for name in found) == sorted(given)
    few = asked(served, rows, k=1)
    np.testing.assert_array_equal(few["classes"], answer["classes"][:, :1])


def test_what_is_no_picture_or_no_text_is_answered_as_before(served):
    inputs = {
        "image": np.array([PICTURES[0], b"none"], object),
        "classes": strings([["a  b", b"\xff\xfe", "c"]]),
        "templates": strings(["{}"]),
    }
    answer = asyncio.run(served.predict("classify", inputs))
    assert sorted(answer["classes"][0]) == [b"a  b", b"c", b"\xff\xfe"]
    assert answer["classes"][1].tolist() == [b""] * 3 and answer["valid"].tolist() == [True, False]


@pytest.mark.parametrize("nothing", ["", " \n", "\x00", "\u3000"])
def test_a_class_without_a_name_is_refused_by_its_number(served, nothing):
    with pytest.raises(
        RequestError, match=r"'classes': Class 1 of 3 has no name .* leave"
    ) as error:
        asked(served, [["dog", nothing, "cat"]])
    assert error.value.status == 400


def test_more_prompts_than_allowed_are_refused_with_their_number(served):
    names = [f"name {n}" for n in range(20)]
    assert asked(served, [names])["classes"].shape == (3, len(AWKWARD))
    asked(served, [names] * 3)  # each name is encoded once
    with pytest.raises(
        RequestError, match="21 different names in 2 templates, 42 prompts"
    ) as error:
        asked(served, [[*names, "one more"]])
    assert error.value.status == 413 and "more than 40; send fewer" in str(error.value)
    with pytest.raises(RequestError, match="has 42 prompts, more than 40"):
        prompts = {"prompts": strings([["a", "b"]] * 21)}
        asyncio.run(served.predict("represent_classes", prompts))


def test_lists_of_templates_for_each_row_count_once_where_they_are_equal():
    inputs = {"classes": strings([["a", "b"]] * 3)}
    inputs["templates"] = strings([["{}", "a {}"]] * 2 + [["{}", "the {}"]])
    asyncio.run(class_names.cleaned(inputs, Limits(prompts=8)))
    with pytest.raises(RequestError, match="2 different names in 4 templates, 8 prompts"):
        asyncio.run(class_names.cleaned(inputs, Limits(prompts=7)))


def test_a_client_is_told_by_status_and_message(served):
    names = [f"name {n}" for n in range(41)]
    body = {"signature_name": "classify", "inputs": {"image": [{"b64": ""}], "classes": [names]}}
    with models.running(application(served, limits=served.limits)) as address:
        url = f"{address}/v1/models/{served.name}:predict"
        request = urllib.request.Request(url, json.dumps(body).encode())
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 413
        assert "41 different names" in json.load(refused.value)["error"]
