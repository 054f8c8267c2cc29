"""The page in a real browser: what a person sees and does."""

import hashlib
import io
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from clipbench_tf.serving.application import application
from clipbench_tf.serving.page.routes import routes
from clipbench_tf.serving.page.search import Search
from clipbench_tf.serving.page.searchable import Searchable
from tests.evaluation.samples import COLOURS, NAMES, png
from tests.serving.page import chromium
from tests.serving.page.in_memory import InMemory, overloaded
from tests.serving.page.person import Person

pytestmark = chromium.needed
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with searchable pictures, and some to be chosen."""
    root = tmp_path_factory.mktemp("page")
    (root / "photos").mkdir()
    for name, colour in zip(NAMES, COLOURS, strict=True):
        (root / "photos" / f"{name}.png").write_bytes(png(colour))
    noise = np.random.default_rng(0).integers(0, 256, [1200, 1800, 3], np.uint8)
    Image.fromarray(noise).save(root / "large.jpg", quality=90)
    (root / "none.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def served(root):
    return InMemory(root / "models/1")


@pytest.fixture(scope="module")
def driver(root, served):
    """A browser on the page of `served`."""
    search = Search(served, Searchable(str(root / "photos")))
    app = application(served, limits=served.limits, routes=routes(served, search=search))
    with (
        chromium.on_a_port(app) as url,
        chromium.browser(root / "profile") as driver,
    ):
        driver.get(url)
        yield driver


@pytest.fixture
def person(driver, served):
    """Somebody who opens the page anew."""
    served.asked.clear()
    served.delays.clear()
    served.failing.clear()
    person = Person(driver)
    person.opens()
    yield person
    assert person.errors_of_scripts() == []


def percents(person):
    rows = [row.split("\n") for row in person.texts("#bars li")]
    return {name: float(score.rstrip("%")) for name, score in rows}


def test_bars_are_the_models_probabilities_best_first(person, served, root):
    picture = root / "photos" / "red.png"
    person.types("#names", f"red, blue\n  {EVIL} \n\nred")
    person.chooses(picture)
    person.sees("#classify .status", "Most likely")
    found = percents(person)
    names = ["red", "blue", EVIL]
    expected = served.probabilities([picture.read_bytes()], names, ("{}", "a {} thing"))[0]
    assert set(found) == set(names)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    np.testing.assert_allclose([found[n] for n in names], 100 * expected, atol=0.06)
    widths = person.script(
        "return [...document.querySelectorAll('.bar')].map(b => parseFloat(b.style.width))"
    )
    np.testing.assert_allclose(widths, list(found.values()), atol=0.06)
    assert not person.all("#bars img")  # a name is text


def test_prompts_can_be_chosen(person, served, root):
    picture = root / "photos" / "blue.png"
    person.types("#names", "red\nblue")
    person.chooses(picture)
    person.sees("#classify .status", "Most likely")
    for value in ("{}", "a photo of a {}"):
        before = served.calls("classify")
        person.clicks(f"input[value='{value}']")
        person.waits(lambda: served.calls("classify") > before)  # noqa: B023
        assert served.asked[-1][1]["templates"].tolist() == [value.encode()]
    person.clicks("input[value=own]")
    person.clicks("#classify .main")
    person.sees("#classify .error", "Write a prompt a line")
    person.types("#templates", "a drawing")
    person.clicks("#classify .main")
    person.sees("#classify .error", "has no {} for the name")
    person.types("#templates", " of {}\n{}, drawn")
    person.clicks("#classify .main")
    person.sees("#classify .status", "Most likely")
    assert served.asked[-1][1]["templates"].tolist() == [b"a drawing of {}", b"{}, drawn"]


def test_without_names_the_models_own_are_answered_with(person, served, root):
    person.chooses(root / "photos" / "white.png")
    person.sees("#classify .status", "Most likely")
    assert served.asked[-1][0] == "serving_default"
    assert set(percents(person)) == set(NAMES)


def test_one_name_alone_is_said_to_tell_nothing(person, root):
    person.types("#names", "cat")
    person.chooses(root / "photos" / "white.png")
    person.sees("#classify .status", "One name alone always has 100%")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_bytes_that_are_dropped_or_pasted_arrive_as_they_are(person, served, root, way):
    picture = root / "large.jpg"
    person.gives(picture, way)
    person.sees("#classify .status", "Most likely")
    sent = served.asked[-1][1]["image"][0]
    assert hashlib.sha256(sent).digest() == hashlib.sha256(picture.read_bytes()).digest()
    assert len(sent) > 1_000_000


def test_a_picture_that_is_pasted_into_the_search_is_classified(person, root):
    person.clicks("#tab-search")
    person.gives(root / "large.jpg", "paste")
    person.sees("#classify .status", "Most likely")
    assert person.one("#tab-classify").get_attribute("aria-selected") == "true"


def test_errors_say_what_to_do(person, root, served):
    person.clicks("#classify .main")
    person.sees("#classify .error", "Drop, paste or choose one first")
    person.chooses(root / "photos" / "red.png")
    person.sees("#classify .status", "Most likely")
    person.chooses(root / "none.png")
    person.sees("#classify .error", "no picture that the model can read")
    assert not person.all("#bars li")  # nothing of the earlier picture is left
    served.failing = [overloaded()]
    person.chooses(root / "photos" / "red.png")
    person.sees("#classify .error", "Try again in 1 s")
    person.goes_offline()
    person.clicks("#classify .main")
    person.sees("#classify .error", "does not answer. See that serve.py still runs")
    person.goes_online()
    person.clicks("#classify .main")
    person.sees("#classify .status", "Most likely")


def test_while_it_waits_it_says_so(person, served, root):
    served.delays[b"slow"] = 1.0
    person.types("#names", "slow\nred")
    person.chooses(root / "photos" / "red.png")
    person.sees("#classify .status.working", "Classifying")
    assert person.one("#classify").get_attribute("aria-busy") == "true"
    person.sees("#classify .status", "Most likely")
    assert not person.all("#classify .working")
    assert person.one("#classify").get_attribute("aria-busy") is None


def test_captions_find_pictures_and_one_of_them_can_be_used(person, served):
    person.clicks("#tab-search")
    person.sees("#searched", "Searches 5 pictures of photos.")
    person.types("#query", "green light\n")
    person.sees("#search .status", "nearest to “green light”")
    rows = [row.split("\n") for row in person.texts("#found li")]
    scores = [float(score) for _, score in rows]
    assert {name for name, _ in rows} == set(NAMES)
    assert scores == sorted(scores, reverse=True)
    person.waits(
        lambda: person.script(
            "return [...document.querySelectorAll('#found img')].every(i => i.naturalWidth == 12)"
        )
    )
    person.clicks("#found button")
    person.sees("#picture-status", rows[0][0])
    person.sees("#classify .status", "Most likely")
    assert served.asked[-1][1]["image"][0] == png(COLOURS[NAMES.index(rows[0][0])])


def test_a_search_for_nothing_says_what_to_do(person, served):
    person.clicks("#tab-search")
    person.types("#query", "  \n")
    person.sees("#search .error", "Type what the pictures should show")
    assert not served.calls("represent_classes")


def test_a_newer_request_wins(person, served):
    person.clicks("#tab-search")
    person.sees("#searched", "Searches 5")
    served.delays[b"slow"] = 1.0
    person.types("#query", "slow\n")
    person.sees("#search .status.working", "Searching")
    person.clears("#query")
    person.types("#query", "quick\n")
    person.sees("#search .status", "nearest to “quick”")
    time.sleep(1.3)  # the slow answer would be here now
    assert "quick" in person.one("#search .status").text
    assert served.calls("represent_classes") == 2


def test_a_sample_of_the_searched_pictures_can_be_had(person):
    person.clicks("#sample")
    person.sees("#classify .status", "Most likely")
    assert person.one("#shown").is_displayed()


def test_the_page_says_what_the_model_is(person, root):
    person.sees("#title", "tiny")
    person.sees("#about", "defilip, trained on drawings")
    everything = person.script("return document.documentElement.outerHTML")
    address = person.driver.current_url
    with urllib.request.urlopen(f"{address}page/model") as answer:
        everything += answer.read().decode()
    assert str(root) not in everything


def test_large_photographs_are_shown_in_their_own_ratio(person, root):
    person.chooses(root / "large.jpg")
    person.waits(lambda: person.one("#shown").size["width"] > 100)
    size = person.one("#shown").size
    assert size["width"] / size["height"] == pytest.approx(1.5, abs=0.02)
    with Image.open(io.BytesIO((root / "large.jpg").read_bytes())) as picture:
        assert picture.width / picture.height == 1.5
