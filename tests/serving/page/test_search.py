import asyncio

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.export.card import ExportError
from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.page import search as module
from clipbench_tf.serving.page.search import Search
from clipbench_tf.serving.page.searchable import Searchable
from tests.evaluation.samples import COLOURS, NAMES, png
from tests.serving.page.in_memory import InMemory, overloaded

CAPTION = "a black hole"


@pytest.fixture
def folder(tmp_path):
    """A picture of each colour, called by its name, and one that is none."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, colour in zip(NAMES, COLOURS, strict=True):
        (photos / f"{name}.png").write_bytes(png(colour))
    (photos / "broken.png").write_bytes(b"no picture")
    return photos


@pytest.fixture(params=["cosine", "late_interaction"])
def served(request, tmp_path):
    return InMemory(tmp_path / "models/1", request.param)


@pytest.fixture
def cosine_served(tmp_path):
    return InMemory(tmp_path / "models/1")


async def _ready(search):
    search.start()
    while not search.ready:
        await asyncio.sleep(0.01)
        if search.problem:
            return
        search.start()


def asked(search, caption=CAPTION, count=10):
    """What a search finds, once its index is there."""

    async def ask():
        await _ready(search)
        return await search.nearest(caption, count)

    return asyncio.run(ask())


def expected(served, caption=CAPTION):
    """The similarities of all good pictures by the model's own `score_texts`, best first."""
    images, _ = served.encoders.represent_images(tf.constant([png(c) for c in COLOURS]))
    classes = served.encoders.represent_classes(tf.constant([[caption]]))
    scores = served.encoders.score_texts(classes, images).numpy()[0]
    return sorted(zip(scores.tolist(), NAMES, strict=True), reverse=True)


def test_pictures_are_ordered_by_the_models_own_scorer(served, folder):
    search = Search(served, Searchable(str(folder)))
    found = asked(search)
    scores, names = zip(*expected(served), strict=True)
    assert tuple(result.name for result in found) == names
    # The tokens of patches are kept in 16 bits.
    np.testing.assert_allclose([result.score for result in found], scores, atol=1e-3)
    assert len(set(np.round(scores, 2))) > 2  # else the order would prove little
    assert [asked(search, count=2)[n].name for n in range(2)] == list(names[:2])
    pairs = search.pictures.read([result.picture for result in found])
    assert [pair.key for pair in pairs] == [f"{name}.png" for name in names]


def test_a_caption_without_a_word_of_late_interaction_scores_0():
    index = {"tokens": np.ones([3, 2, 4], np.float16)}
    words = {"tokens": np.ones([1, 1, 2, 4], np.float32), "mask": np.zeros([1, 1, 2], bool)}
    assert module.similarities(index, words).tolist() == [0.0, 0.0, 0.0]


def test_blocks_of_late_interaction_score_as_all_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    index = {"tokens": rng.normal(size=[7, 3, 4]).astype(np.float16)}
    words = {"tokens": rng.normal(size=[1, 1, 5, 4]).astype(np.float32)}
    words["mask"] = np.array([[[False, True, True, False, True]]])
    cosines = np.einsum("npd,ld->npl", index["tokens"].astype(float), words["tokens"][0, 0])
    by_hand = cosines[:, :, [1, 2, 4]].max(axis=1).mean(axis=1)
    np.testing.assert_allclose(module.similarities(index, words), by_hand, atol=1e-5)
    monkeypatch.setattr(module, "_SCORED", 200)
    np.testing.assert_allclose(module.similarities(index, words), by_hand, atol=1e-5)


def test_the_index_is_made_once_and_kept(served, folder):
    first = asked(Search(served, Searchable(str(folder))))
    made = served.calls("represent_image")
    assert made
    assert asked(Search(served, Searchable(str(folder)))) == first
    assert served.calls("represent_image") == made


def renewed(served, folder) -> bool:
    """Whether a new search makes the index again."""
    before = served.calls("represent_image")
    asked(Search(served, Searchable(str(folder))))
    return served.calls("represent_image") > before


def test_it_is_made_again_when_the_model_or_the_files_change(cosine_served, folder):
    assert renewed(cosine_served, folder)
    assert not renewed(cosine_served, folder)
    (folder / "red.png").write_bytes(png((200, 0, 0)))
    assert renewed(cosine_served, folder)
    (cosine_served.folder / "saved_model.pb").write_bytes(b"another graph")
    assert renewed(cosine_served, folder)
    (kept,) = cosine_served.folder.parent.glob("1.search-*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    assert renewed(cosine_served, folder)
    assert not renewed(cosine_served, folder)


def test_it_lives_in_memory_where_it_cannot_be_written(cosine_served, folder, monkeypatch):
    search = Search(cosine_served, Searchable(str(folder)))
    search.path.mkdir()  # a folder where the file should be
    assert asked(search)[0].name == expected(cosine_served)[0][1]
    assert list(cosine_served.folder.parent.glob("*.partial")) == []


def test_of_many_pictures_as_many_as_the_limit_are_searched(cosine_served, folder):
    search = Search(cosine_served, Searchable(str(folder)), limit=3)
    assert len(asked(search)) <= 3
    assert (search.planned, search.pictures.total) == (search.done, 6)


def test_memory_limits_the_index_too(cosine_served, folder, monkeypatch):
    monkeypatch.setattr(module, "MEMORY", 2 * (6 * 4 + 8))  # two embeddings with their places
    assert len(asked(Search(cosine_served, Searchable(str(folder))))) <= 2


def test_a_busy_model_is_waited_for_and_pictures_too_large_for_it_are_left_out(
    cosine_served, folder, monkeypatch
):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    (folder / "huge.png").write_bytes(png(COLOURS[0], size=400))
    cosine_served.largest = len(png(COLOURS[0])) + 50
    cosine_served.failing = [overloaded(), overloaded()]
    assert {result.name for result in asked(Search(cosine_served, Searchable(str(folder))))} == {
        *NAMES
    }


def test_until_the_index_is_there_a_search_says_how_far_it_is(cosine_served, folder):
    search = Search(cosine_served, Searchable(str(folder)))
    with pytest.raises(RequestError, match="0 of 6 pictures are encoded") as refused:
        asyncio.run(search.nearest(CAPTION, 1))
    assert refused.value.status == 503


def test_a_failure_is_told_without_a_path_and_tried_again(cosine_served, folder):
    search = Search(cosine_served, Searchable(str(folder)))
    cosine_served.failing = [RequestError(500, "/secret/place failed")]

    async def fail():
        await _ready(search)
        problem = search.problem
        await _ready(search)
        while not search.ready:
            await asyncio.sleep(0.01)
        return problem, search.problem

    assert asyncio.run(fail()) == (
        "The index cannot be made; the log of the server says why.",
        "",
    )


def test_a_model_of_one_tower_cannot_search(cosine_served, folder):
    del cosine_served.signatures["represent_classes"]
    with pytest.raises(ExportError, match=r"represent_classes.*export both towers"):
        Search(cosine_served, Searchable(str(folder)))


@pytest.mark.parametrize(("caption", "count"), [("", 1), (" \t", 1), ("cat", 0)])
def test_nothing_to_search_for_is_refused(cosine_served, folder, caption, count):
    with pytest.raises(ValueError, match="Type a caption"):
        asyncio.run(Search(cosine_served, Searchable(str(folder))).nearest(caption, count))
