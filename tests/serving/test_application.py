"""Limits, errors, health and metrics of the application, and 1,000 requests that are none."""

import asyncio
import json
import random
import threading

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from clipbench_tf.serving.application import application
from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.served_model import ServedModel
from tests.serving import models
from tests.serving.test_limits import huge_png

PREDICT = "/v1/models/texts:predict"
LIMITS = Limits(body_bytes=20_000, held_bytes=30_000, rows=50, seconds=30.0, picture_bytes=9000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.texts(tmp_path_factory.mktemp("models") / "texts")


@pytest.fixture(scope="module")
def served(folder):
    one = models.loaded(folder, LIMITS)
    yield one
    one.close()


@pytest.fixture(scope="module")
def client(served):
    with TestClient(application(served, limits=LIMITS), raise_server_exceptions=False) as one:
        yield one


def predict(client, instances, **more):
    return client.post(PREDICT, json={"instances": instances, **more})


def error_of(answer) -> str:
    content = answer.json()
    assert list(content) == ["error"]
    assert "Traceback" not in content["error"] and ".py" not in content["error"]
    return content["error"]


def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(client):
    body = json.dumps({"instances": ["x" * 20_000]}).encode()
    for content in (body, (body[i : i + 1000] for i in range(0, len(body), 1000))):
        answer = client.post(PREDICT, content=content)
        assert answer.status_code == 413 and "20000 bytes" in error_of(answer)
    assert predict(client, ["x" * 19_000]).status_code == 200


def test_too_many_rows_and_too_large_pictures_are_refused(client):
    assert predict(client, ["x"] * 50).status_code == 200
    answer = predict(client, ["x"] * 51)
    assert answer.status_code == 413 and "51 rows" in error_of(answer)
    answer = predict(client, ["x" * 9001], signature_name="picture")
    assert answer.status_code == 413 and "Picture 0" in error_of(answer)
    content = b'{"signature_name": "picture", "instances": [{"b64": "%s"}]}'
    encoded = __import__("base64").b64encode(huge_png(20_000, 20_000))
    answer = client.post(PREDICT, content=content % encoded)
    assert answer.status_code == 413 and "20000 x 20000" in error_of(answer)


def test_a_request_that_takes_too_long_is_told_so(served):
    async def slow(request):
        await asyncio.sleep(60)

    limits = Limits(seconds=0.05)
    with TestClient(application(served, limits=limits, routes=[Route("/slow", slow)])) as one:
        answer = one.get("/slow")
        assert answer.status_code == 504 and "Deadline exceeded" in error_of(answer)
        assert one.get("/healthz").status_code == 200


def test_a_prediction_that_takes_too_long_is_counted_and_leaves_the_queue(folder):
    limits = Limits(seconds=0.2, threads=1)
    served = models.loaded(folder, limits)
    gate, functions = threading.Event(), served._functions

    def slow(**inputs):
        gate.wait(30)
        return functions["serving_default"](**inputs)

    served._functions = {"serving_default": slow}
    with TestClient(application(served, limits=limits)) as one:
        assert predict(one, ["a"]).status_code == 504
        assert predict(one, ["b"]).status_code == 504  # waits for the first
        gate.set()
        assert predict(one, ["c"]).status_code == 200
        counts = one.get("/metrics").text
    served.close()
    assert 'clipbench_requests_total{signature="serving_default",status="504"} 2.0' in counts


def test_bytes_held_by_all_requests_are_bounded(served):
    async def upload(request):
        await request.body()
        if request.url.path == "/nested":
            return PlainTextResponse("read")
        answer = await asyncio.to_thread(one.post, "/nested", content=b"x" * 600)
        return PlainTextResponse(answer.text, answer.status_code, dict(answer.headers))

    limits = Limits(held_bytes=1000)
    routes = [Route(path, upload, methods=["POST"]) for path in ("/outer", "/nested")]
    with TestClient(application(served, limits=limits, routes=routes)) as one:
        assert one.post("/outer", content=b"x" * 300).text == "read"
        answer = one.post("/outer", content=b"x" * 500)
        assert answer.status_code == 503 and "Retry-After" in answer.headers
        assert one.post("/outer", content=b"x" * 300).text == "read"  # all of it was given back


def test_routes_of_others_share_errors_and_limits(served):
    async def body(request):
        return PlainTextResponse(str(len(await request.body())))

    async def refuse(request):
        raise RequestError(409, "Not now.", {"Retry-After": "3"})

    async def give_up(request):
        raise HTTPException(418, "A teapot.")

    async def fail(request):
        raise RuntimeError("in /srv/secret.py")

    routes = [Route("/body", body, methods=["POST"])]
    routes += [Route(f"/{one.__name__}", one) for one in (refuse, give_up, fail)]
    app = application(served, limits=Limits(body_bytes=10), routes=routes)
    with TestClient(app, raise_server_exceptions=False) as one:
        assert one.post("/body", content=b"x" * 10).text == "10"
        assert one.post("/body", content=b"x" * 11).status_code == 413
        answer = one.get("/refuse")
        assert (answer.status_code, error_of(answer)) == (409, "Not now.")
        assert answer.headers["Retry-After"] == "3"
        assert one.get("/give_up").status_code == 418
        answer = one.get("/fail")
        assert answer.status_code == 500 and "secret" not in error_of(answer)
        assert one.get("/nowhere").status_code == 404
        assert one.delete("/metrics").status_code == 405


def test_a_model_that_loads_is_live_but_not_ready(folder):
    served = ServedModel(folder)
    with TestClient(application(served, limits=Limits())) as one:
        assert one.get("/healthz").status_code == 503
        assert one.get("/healthz/live").json() == {
            "live": True,
            "ready": False,
            "state": "loading",
        }
        status = one.get("/v1/models/texts").json()["model_version_status"][0]["state"]
        assert status == "LOADING"
        answer = predict(one, ["a"])
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
        served.load()
        assert one.get("/healthz").json() == {"live": True, "ready": True, "state": "ready"}
        assert predict(one, ["a"]).status_code == 200
        served.close()
        assert one.get("/healthz").json()["state"] == "draining"
        assert predict(one, ["a"]).status_code == 503


def test_metrics_count_requests_by_signature_and_status_and_the_rows_of_batches(folder):
    served = models.loaded(folder)
    with TestClient(application(served, limits=Limits())) as one:
        predict(one, ["a", "b", "c"])
        predict(one, ["bad"], signature_name="picky")
        predict(one, ["a"], signature_name="none" * 100)
        answer = one.get("/metrics")
    served.close()
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for line in (
        'clipbench_requests_total{signature="serving_default",status="200"} 1.0',
        'clipbench_requests_total{signature="picky",status="400"} 1.0',
        'clipbench_requests_total{signature="",status="400"} 1.0',
        'clipbench_request_seconds_count{signature="serving_default"} 1.0',
        'clipbench_batch_rows_sum{signature="serving_default"} 3.0',
        'clipbench_batch_rows_bucket{le="2.0",signature="serving_default"} 0.0',
        "clipbench_queue_requests 0.0",
        "clipbench_ready 1.0",
    ):
        assert line in lines


def test_a_thousand_malformed_requests_leave_it_answering(client):
    draw = random.Random(15)
    valid = [
        b'{"signature_name": "serving_default", "inputs": {"text": ["a"], "times": 3}}',
        b'{"instances": [{"text": {"b64": "AAECAw=="}}, {"text": "\xc3\xa4"}]}',
        b'{"signature_name": "picture", "instances": [{"b64": "iVBORw0KGgo="}]}',
    ]
    statuses = []
    for _ in range(1000):
        method, path, body = _malformed(draw, valid)
        answer = client.request(method, path, content=body)
        statuses.append(answer.status_code)
        if answer.status_code != 200 and method != "HEAD":
            error_of(answer)
    assert set(statuses) <= {200, 400, 404, 405, 413}, set(statuses)
    assert statuses.count(400) > 300  # most were malformed indeed
    answer = predict(client, ["abc"])
    assert answer.json()["predictions"][0]["length"] == 6


def _malformed(draw: random.Random, valid: list[bytes]) -> tuple[str, str, bytes]:
    body = bytearray(draw.choice(valid))
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(body))
        kind = draw.randrange(5)
        if kind == 0:
            body[at] = draw.randrange(256)
        elif kind == 1:
            del body[at : at + draw.randint(1, 12)]
        elif kind == 2:
            pieces = (b"[", b"{", b'"', b"null", b"NaN", b"1e999", b"\\ud800", b"9" * 400)
            body[at:at] = draw.choice(pieces)
        elif kind == 3:
            body[at:at] = body[: draw.randint(1, 40)] * draw.randint(1, 3)
        else:
            body[at:at] = draw.choice((b"[", b'{"a":')) * draw.randint(1, 3000)
        body = body or bytearray(b" ")
    path = PREDICT
    if draw.random() < 0.15:
        letters = [chr(draw.choice((*range(33, 127), 228, 8238))) for _ in range(12)]
        path = draw.choice(["/v1/models/", "/v1/", "/", f"{PREDICT}/"]) + "".join(letters)
        path = path.replace("?", "").replace("#", "")
    method = "POST" if draw.random() < 0.9 else draw.choice(["GET", "PUT", "DELETE", "HEAD"])
    return method, path, bytes(body)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((name, 200) for name in ("localhost", "LocalHost:8501", "clip.localhost", "[::1]:80")),
        *((name, 200) for name in ("127.0.0.1", "127.1.2.3:8501", "[::1]")),
        *((name, 403) for name in ("evil.example", "localhost.evil.example:8501", "10.0.0.7")),
        *((name, 403) for name in ("127.0.0.1.evil.example", "[::2]:80", "a:b:c", "0.0.0.0")),
    ],
)
def test_a_local_server_answers_to_names_of_this_machine_alone(host, status, served):
    with TestClient(application(served, limits=LIMITS, local=True)) as one:
        answer = one.get("/healthz", headers={"Host": host})
        assert answer.status_code == status
        assert status == 200 or host in error_of(answer)
    with TestClient(application(served, limits=LIMITS)) as one:
        assert one.get("/healthz", headers={"Host": host}).status_code == 200
