import base64
import json
import re
import time

import pytest
from starlette.testclient import TestClient

from clipbench_tf.serving.application import application
from clipbench_tf.serving.page.routes import routes
from clipbench_tf.serving.page.search import Search
from clipbench_tf.serving.page.searchable import Searchable
from tests.evaluation.samples import COLOURS, NAMES, png
from tests.serving.page.in_memory import InMemory


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("machine")
    (root / "photos").mkdir()
    for name, colour in zip(NAMES, COLOURS, strict=True):
        (root / "photos" / f"{name}.png").write_bytes(png(colour))
    (root / "photos" / "evil.png").write_bytes(b"<svg onload='alert(1)'>")
    return root


@pytest.fixture(scope="module")
def client(root):
    served = InMemory(root / "models/1")
    search = Search(served, Searchable(str(root / "photos")))
    app = application(served, limits=served.limits, routes=routes(served, search=search))
    with TestClient(app) as client:
        deadline = time.monotonic() + 60
        while not client.get("/page/model").json()["search"]["ready"]:
            assert time.monotonic() < deadline
        yield client


@pytest.fixture(scope="module")
def bare(root):
    """A model that aligns nothing, without pictures to search."""
    served = InMemory(root / "bare", aligns=False)
    served.card["dataset"] = "/data/secret/pets.csv"
    with TestClient(application(served, limits=served.limits, routes=routes(served))) as client:
        yield client


def test_the_page_is_whole_and_asks_nothing_of_others(client):
    page = client.get("/").text
    named = re.findall(r'(?:href|src)="(page/[^"]+)"', page)
    assert len(named) == 3
    seen = set()
    while named:
        path = named.pop()
        if path not in seen:
            answer = client.get(path)
            assert answer.status_code == 200, path
            seen.add(path)
            named += [f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)]
            assert not re.findall(r"https?://(?!www\.w3\.org)", answer.text), path
    assert {path.rpartition(".")[2] for path in seen} == {"css", "js", "svg"}
    assert not re.findall(r"https?://|\bon\w+=|<style|style=", page)


def test_every_answer_forbids_what_is_not_ours(client):
    for path in ("/", "/page/page.js", "/page/model", "/page/pictures/0"):
        headers = client.get(path).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"


def test_the_model_is_described_without_a_path(client, bare, root):
    facts = client.get("/page/model").json()
    assert (facts["name"], facts["method"], facts["dataset"]) == ("tiny", "defilip", "drawings")
    assert facts["classifies"] and facts["aligns"]
    assert facts["search"]["name"] == "photos"
    assert str(root) not in json.dumps(facts)
    facts = bare.get("/page/model").json()
    assert facts["dataset"] == "pets.csv"
    assert facts["search"] is None and not facts["aligns"]


def test_found_pictures_can_be_fetched_as_they_are_stored(client, root):
    body = {"caption": "green light", "count": 3}
    found = client.post("/page/search", json=body).json()["found"]
    assert len(found) == 3
    assert [result["score"] for result in found] == sorted(
        (result["score"] for result in found), reverse=True
    )
    for result in found:
        picture = client.get(f"/page/pictures/{result['picture']}")
        assert picture.content == (root / "photos" / f"{result['name']}.png").read_bytes()
        assert picture.headers["content-type"] == "image/png"


def test_what_is_no_picture_is_never_sent_as_a_document(client):
    kinds = {client.get(f"/page/pictures/{n}").headers["content-type"] for n in range(6)}
    assert kinds == {"image/png", "application/octet-stream"}


def test_an_alignment_comes_by_base64(client):
    image = {"b64": base64.b64encode(png(COLOURS[0])).decode()}
    found = client.post("/page/align", json={"image": image, "caption": "red cat"}).json()
    assert found["words"] == ["red", "cat"]
    assert [len(row) for row in found["cosines"]] == [4, 4]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/page/search", {"caption": "", "count": 1}, "Type a caption"),
        ("/page/search", {"caption": 3, "count": 1}, "no 'caption' of the right type"),
        ("/page/search", [], "no 'caption'"),
        ("/page/align", {"image": {"b64": "*"}, "caption": "cat"}, "no base64"),
        ("/page/align", {"image": {"b64": ""}, "caption": "cat"}, "no picture that can be"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(client, path, body, message):
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_what_is_not_there_is_not_found(client, bare):
    for path in ("/page/pictures/99", "/page/routes.py", "/page/../errors.py", "/page/%2e%2e/x"):
        assert client.get(path).status_code == 404, path
    assert bare.get("/page/pictures/0").status_code == 404
    answer = bare.post("/page/search", json={"caption": "cat", "count": 1})
    assert "start the server with --search" in answer.json()["error"]
    answer = bare.post("/page/align", json={"image": {"b64": ""}, "caption": "cat"})
    assert "aligns no patches and words" in answer.json()["error"]
    assert client.post("/page/search", content=b"{").status_code == 400
