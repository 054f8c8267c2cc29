"""The REST form, as TensorFlow Serving documents it, from the same client code."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import meta_graph_pb2

from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.serving.application import application
from clipbench_tf.serving.limits import Limits
from tests.evaluation.samples import COLOURS, png
from tests.serving import models
from tests.serving.documented import client

RECORDED = json.loads((Path(client.__file__).parent / "conversations.json").read_text())
CONVERSATIONS = RECORDED["conversations"]
PICTURES = [png(colour) for colour in COLOURS]
TEXTS = ["red", "", "Ärger über ✨ \u202eright to left", "a\0b"]


@pytest.fixture(scope="module")
def served(tmp_path_factory, tiny_export):
    """By name: the served models of the documentation, and an export."""
    folder = tmp_path_factory.mktemp("models")
    models.half_plus_three(folder / "half_plus_three" / "123")
    models.three_inputs(folder / "three_inputs")
    models.texts(folder / "texts" / "1")
    made = {
        "half_plus_three": models.loaded(folder / "half_plus_three" / "123"),
        "three_inputs": models.loaded(folder / "three_inputs"),
        "texts": models.loaded(folder / "texts" / "1"),
        "tiny": models.loaded(tiny_export(cosine).folder, name="tiny"),
    }
    yield made
    for one in made.values():
        one.close()


@pytest.fixture(scope="module")
def addresses(served):
    """By name: the addresses of their servers."""
    applications = [application(one, limits=Limits()) for one in served.values()]
    with (
        models.running(applications[0]) as first,
        models.running(applications[1]) as second,
        models.running(applications[2]) as third,
        models.running(applications[3]) as fourth,
    ):
        yield dict(zip(served, (first, second, third, fourth), strict=True))


@pytest.fixture(scope="module")
def recording():
    """The address of a server that plays the documented answers back."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Recorded)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


class _Recorded(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for one in CONVERSATIONS:
            if (self.command, self.path, body) == (one["method"], one["path"], _sent(one) or b""):
                text = one.get("raw_answer") or json.dumps(
                    one.get("answer", {"error": one.get("error")})
                )
                self.send_response(one["status"])
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(text.encode())
                return
        self.send_error(500)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def _sent(conversation: dict) -> bytes | None:
    if "raw" in conversation:
        return conversation["raw"].encode()
    return json.dumps(conversation["body"]).encode() if "body" in conversation else None


def _told(conversation: dict):
    """The documented answer; of an error, its beginning."""
    if "raw_answer" in conversation:
        return json.loads(conversation["raw_answer"])
    return conversation.get("answer", conversation.get("error"))


@pytest.mark.parametrize("one", CONVERSATIONS, ids=[one["what"] for one in CONVERSATIONS])
def test_the_same_client_gets_the_documented_answer_from_a_recording_and_from_us(
    one, addresses, recording
):
    for address in (recording, addresses[one["model"]]):
        status, answer = client.ask(address, one["path"], _sent(one), one["method"])
        assert status == one["status"], answer
        if status == 200:
            assert repr(_sorted(answer)) == repr(_sorted(_told(one)))  # NaN is not equal to NaN
        else:
            assert list(answer) == ["error"]
            assert one["error"] in answer["error"]


def _sorted(value):
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def test_metadata_is_the_signature_definition_of_the_file(served, addresses):
    status, answer = client.ask(addresses["half_plus_three"], "/v1/models/half_plus_three/metadata")
    assert status == 200
    assert answer["model_spec"] == {
        "name": "half_plus_three",
        "signature_name": "",
        "version": "123",
    }
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "serving_default_x:0",
    }
    for name, one in served.items():
        _, answer = client.ask(addresses[name], f"/v1/models/{one.name}/metadata")
        for key, value in answer["metadata"]["signature_def"]["signature_def"].items():
            back = json_format.ParseDict(value, meta_graph_pb2.SignatureDef())
            assert back == one.stored[key]


@pytest.mark.parametrize("signature", ["encode_text", "encode_image", "serving_default"])
def test_answers_equal_those_of_the_signature_called_directly(signature, served, addresses):
    items = TEXTS if signature == "encode_text" else PICTURES
    name = "text" if signature == "encode_text" else "image"
    direct = tf.saved_model.load(str(served["tiny"].folder)).signatures[signature]
    defaults = {
        key: tf.constant(tensor.default)
        for key, tensor in served["tiny"].signatures[signature].inputs.items()
        if tensor.default is not None
    }
    outputs = direct(**{name: tf.constant(items)}, **defaults)
    expected = {k: v.numpy() for k, v in outputs.items()}
    sent = [
        one if isinstance(one, str) else {"b64": base64.b64encode(one).decode()} for one in items
    ]
    rows = client.predict(addresses["tiny"], "tiny", sent, signature)
    named = client.predict(addresses["tiny"], "tiny", [{name: one} for one in sent], signature)
    body = {"signature_name": signature, "inputs": {name: sent}}
    _, columns = client.ask(addresses["tiny"], "/v1/models/tiny:predict", body)
    assert rows == named
    for key, value in expected.items():
        got = [row[key] for row in rows] if len(expected) > 1 else rows
        column = columns["outputs"][key] if len(expected) > 1 else columns["outputs"]
        for found in (got, column):
            if value.dtype == object:
                assert found == [[one.decode() for one in row] for row in value]
            else:
                np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)
                assert found == column  # both formats write the same numbers


def test_requests_of_one_row_are_joined_and_have_the_answers_that_they_have_alone(
    served, addresses
):
    direct = tf.saved_model.load(str(served["tiny"].folder)).signatures["classify"]
    templates = served["tiny"].signatures["classify"].inputs["templates"].default
    encoded = [base64.b64encode(one).decode() for one in PICTURES]
    asked = [
        (picture, names, k)
        for picture in range(5)
        for names in (["red", "blue"], ["green", "white", "black"])
        for k in (1, 2)
    ]

    def ask(one: tuple) -> dict:
        picture, names, k = one
        row = {"image": {"b64": encoded[picture]}, "classes": names, "k": k}
        return client.predict(addresses["tiny"], "tiny", [row], "classify")[0]

    def ask_column(one: tuple) -> dict:
        picture, names, k = one
        inputs = {"image": [{"b64": encoded[picture]}], "classes": [names], "k": k}
        body = {"signature_name": "classify", "inputs": inputs}
        return client.ask(addresses["tiny"], "/v1/models/tiny:predict", body)[1]["outputs"]

    with ThreadPoolExecutor(8) as threads:
        rows, columns = list(threads.map(ask, asked)), list(threads.map(ask_column, asked))
    for (picture, names, k), row, column in zip(asked, rows, columns, strict=True):
        expected = direct(
            image=tf.constant([PICTURES[picture]]),
            classes=tf.constant([names]),
            k=tf.constant(k),
            templates=tf.constant(templates),
        )
        assert row["classes"] == [one.decode() for one in expected["classes"].numpy()[0]]
        np.testing.assert_allclose(row["scores"], expected["scores"].numpy()[0], rtol=1e-5)
        np.testing.assert_allclose(column["scores"], expected["scores"].numpy(), rtol=1e-5)
        assert row["valid"] is True


def test_concurrent_clients_each_get_their_own_answer(addresses):
    def own(number: int):
        return client.predict(addresses["texts"], "texts", ["x" * number, "y" * 2 * number])

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(own, range(200)))
    for number, rows in enumerate(answers):
        assert [row["length"] for row in rows] == [2 * number, 4 * number]


def test_an_input_with_a_default_may_be_given_as_a_column_alone(addresses):
    path = "/v1/models/texts:predict"
    status, answer = client.ask(addresses["texts"], path, {"inputs": {"text": ["abc"], "times": 5}})
    assert (status, answer["outputs"]["length"]) == (200, [15])
    assert client.predict(addresses["texts"], "texts", ["abc"])[0]["length"] == 6
    row = {"instances": [{"text": "abc", "times": 5}]}
    status, answer = client.ask(addresses["texts"], path, row)
    assert status == 400 and "'times'" in answer["error"] and '"inputs"' in answer["error"]


def test_no_rows_have_no_answers_as_a_column_and_are_refused_as_rows(addresses):
    path = "/v1/models/texts:predict"
    assert client.ask(addresses["texts"], path, {"inputs": {"text": []}}) == (
        200,
        {"outputs": {"length": [], "rows": []}},
    )
    assert client.ask(addresses["texts"], path, {"instances": []})[0] == 400


def test_a_picture_that_is_none_is_marked_and_does_not_fail_the_others(addresses):
    rows = [{"b64": base64.b64encode(one).decode()} for one in (*PICTURES[:2], b"no picture")]
    answers = client.predict(addresses["tiny"], "tiny", rows, "encode_image")
    assert [row["valid"] for row in answers] == [True, True, False]


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_what_an_export_cannot_do_is_said(verb, addresses):
    path = f"/v1/models/texts:{verb}"
    status, answer = client.ask(addresses["texts"], path, {"examples": [{"text": "a"}]})
    assert status == 400 and ":predict" in answer["error"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ":predict"), ("POST", ""), ("POST", "/metadata"), ("PUT", "")]
)
def test_a_wrong_method_is_refused(method, path, addresses):
    body = b"{}" if method != "GET" else None
    status, answer = client.ask(addresses["texts"], f"/v1/models/texts{path}", body, method)
    assert status == 405 and method in answer["error"]


def test_answers_tell_no_path_of_the_machine(served, addresses):
    folder = str(served["texts"].folder)
    for path, body in (
        ("/v1/models/texts", None),
        ("/v1/models/texts/metadata", None),
        ("/v1/models/texts:predict", {"signature_name": "picky", "instances": ["bad"]}),
        ("/v1/models/texts:predict", {"signature_name": "total", "instances": ["bad"]}),
        (f"/v1/models/{folder}", None),
    ):
        _, answer = client.ask(addresses["texts"], path, body)
        text = json.dumps(answer)
        assert "secret" not in text and ".py" not in text and "{{" not in text
        assert str(Path(folder).parent) not in text or folder in path
    _, answer = client.ask(
        addresses["texts"],
        "/v1/models/texts:predict",
        {"signature_name": "picky", "instances": ["a", "bad"]},
    )
    assert "This text is refused" in answer["error"]
