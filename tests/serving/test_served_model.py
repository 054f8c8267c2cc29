"""The contract that the page builds on: what a served model is, and `predict`."""

import asyncio

import numpy as np
import pytest

from clipbench_tf.export import warmup
from clipbench_tf.export.card import ExportError
from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.served_model import ServedModel
from tests.serving import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.texts(tmp_path_factory.mktemp("models") / "texts")


@pytest.fixture(scope="module")
def served(folder):
    one = models.loaded(folder)
    yield one
    one.close()


def texts(*items: bytes) -> np.ndarray:
    return np.array(items, object)


def test_it_tells_what_it_is_before_it_is_loaded(folder):
    served = ServedModel(folder)
    assert (served.name, served.version, served.state) == ("texts", 1, "loading")
    assert served.card["method"] == "test"
    assert {"serving_default", "picky"} <= set(served.signatures)
    with pytest.raises(RequestError) as refused:
        asyncio.run(served.predict("picky", {"text": texts(b"a")}))
    assert refused.value.status == 503


@pytest.mark.parametrize(
    ("place", "name", "version"),
    [
        ("runs/clip/saved_model", "clip", 1),
        ("models/emoji/7", "emoji", 7),
        ("exported", "exported", 1),
        ("a folder!", "a_folder_", 1),
    ],
)
def test_its_name_and_version_are_those_of_its_place(place, name, version, folder, tmp_path):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(folder)
    served = ServedModel(tmp_path / place)
    assert (served.name, served.version) == (name, version)
    given = ServedModel(tmp_path / place, name="other", version=9)
    assert (given.name, given.version) == ("other", 9)


def test_requests_at_once_are_joined_and_answered_as_alone(served):
    async def all_at_once():
        asked = [
            served.predict("serving_default", {"text": texts(*[b"x" * n] * (1 + n % 3))})
            for n in range(40)
        ]
        other = served.predict("serving_default", {"text": texts(b"abc"), "times": 10})
        return await asyncio.gather(*asked, other)

    *answers, other = asyncio.run(all_at_once())
    for n, answer in enumerate(answers):
        assert answer["length"].tolist() == [2 * n] * (1 + n % 3)
    assert max(answer["rows"].max() for answer in answers) > 3  # of several requests
    assert other["length"].tolist() == [30] and other["rows"].tolist() == [1]


def test_a_bad_request_among_good_ones_fails_alone(served):
    async def all_at_once():
        asked = [served.predict("picky", {"text": texts(b"a" * n)}) for n in range(9)]
        asked.insert(4, served.predict("picky", {"text": texts(b"a", models.BAD)}))
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(all_at_once())
    error = answers.pop(4)
    assert isinstance(error, RequestError) and error.status == 400
    assert "This text is refused" in str(error) and "secret" not in str(error)
    assert [answer["length"].tolist() for answer in answers] == [[n] for n in range(9)]


def test_a_full_queue_is_told(folder):
    served = models.loaded(folder, Limits(queue=2))

    async def all_at_once():
        with served._queue._changed:  # nothing is taken meanwhile
            asked = [
                asyncio.ensure_future(served.predict("picky", {"text": texts(b"a")}))
                for _ in range(5)
            ]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(all_at_once())
    served.close()
    refused = [one for one in answers if isinstance(one, RequestError)]
    assert len(refused) == 3 and {one.status for one in refused} == {503}
    assert len(answers) - len(refused) == 2


def test_what_is_unknown_or_too_much_is_refused(served, folder):
    def refused(signature, inputs) -> RequestError:
        with pytest.raises(RequestError) as error:
            asyncio.run(served.predict(signature, inputs))
        return error.value

    assert refused("none", {}).status == 400 and "picky" in str(refused("none", {}))
    assert refused("picky", {"txt": texts(b"a")}).status == 400
    assert refused("picky", {"text": texts(*[b"a"] * 1025)}).status == 413


def test_what_cannot_be_loaded_is_said(folder, tmp_path):
    with pytest.raises(ExportError, match="no folder"):
        ServedModel(tmp_path / "none")
    broken = models.half_plus_three(tmp_path / "broken")
    (broken / "variables" / "variables.index").write_bytes(b"x")
    (broken / "saved_model.pb").write_bytes((broken / "saved_model.pb").read_bytes()[:-40])
    with pytest.raises(ExportError, match="damaged"):
        ServedModel(broken).load()


def test_it_calls_the_requests_of_the_export_before_it_is_ready(tmp_path, monkeypatch):
    folder, called = models.texts(tmp_path / "texts"), []
    monkeypatch.setattr(
        warmup, "read", lambda folder: iter([("picky", {"text": texts(b"a", b"b")}), ("total", {})])
    )
    (folder / warmup.FILE).touch()
    run = ServedModel._run
    monkeypatch.setattr(
        ServedModel, "_run", lambda self, *asked: called.append(asked) or run(self, *asked)
    )
    served = models.loaded(folder)
    assert served.state == "ready"  # although the second one lacks an input
    assert [(name, inputs["text"].tolist()) for name, inputs in called] == [("picky", [b"a", b"b"])]
    served.close()
