"""The page for everybody: keyboard, small screens, dark mode, names for screen readers."""

import numpy as np
import pytest

from clipbench_tf.serving.application import application
from clipbench_tf.serving.page.routes import routes
from clipbench_tf.serving.page.search import Search
from clipbench_tf.serving.page.searchable import Searchable
from tests.evaluation.samples import COLOURS, NAMES, png
from tests.serving.page import chromium
from tests.serving.page.in_memory import InMemory
from tests.serving.page.person import Person

pytestmark = chromium.needed
TABS = ("classify", "search", "align")
CAPTION = "a green light"
# The contrast of a text with what lies behind it, and what it is, for every text that is shown.
_CONTRASTS = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = numbers(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
};
const hasText = (element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
const shown = [...document.querySelectorAll("body *")].filter(
  (element) => element.checkVisibility() && hasText(element));
return shown.map((element) => {
  const pair = [numbers(getComputedStyle(element).color), behind(element)].map(light);
  return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), element.outerHTML.slice(0, 80)];
});
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("access")
    (root / "photos").mkdir()
    for name, colour in zip(NAMES, COLOURS, strict=True):
        (root / "photos" / f"{name}.png").write_bytes(png(colour))
    return root


@pytest.fixture(scope="module")
def served(root):
    return InMemory(root / "models/1")


@pytest.fixture(scope="module")
def driver(root, served):
    search = Search(served, Searchable(str(root / "photos")))
    app = application(served, limits=served.limits, routes=routes(served, search=search))
    with chromium.on_a_port(app) as url, chromium.browser(root / "profile") as driver:
        driver.get(url)
        yield driver


@pytest.fixture
def person(driver):
    person = Person(driver)
    chromium.width(driver, 1100)
    chromium.media(driver, {"prefers-color-scheme": "light"})
    person.opens()
    yield person
    assert person.errors_of_scripts() == []


def filled(person, root):
    """Yields the name of each tab when it is open and shows results."""
    person.types("#names", "red\nblue")
    person.chooses(root / "photos" / "red.png")
    person.sees("#classify .status", "Most likely")
    yield "classify"
    person.clicks("#tab-search")
    person.sees("#searched", "Searches 5")
    person.types("#query", f"{CAPTION}\n")
    person.sees("#search .status", "nearest")
    yield "search"
    person.clicks("#tab-align")
    person.types("#caption", f"{CAPTION}\n")
    person.sees("#align .status", "3 words, 2 \u00d7 2 patches")
    yield "align"


def lit(person):
    """The colour over each patch."""
    return person.script(
        "return [...document.querySelectorAll('#patches button')].map(b => b.style.background)"
    )


def test_a_word_lights_up_its_patches_and_a_patch_marks_its_word(person, served, root):
    *_, _ = filled(person, root)
    assert person.texts("#words button") == ["a", "green", "light"]
    inputs = {"image": [(root / "photos" / "red.png").read_bytes()], "text": [CAPTION.encode()]}
    cosines = np.asarray(served._align(**inputs)["cosines"])[0][:, 1:4]  # without start and end
    person.script("document.querySelectorAll('#words button')[1].focus()")
    assert len(set(lit(person))) > 1
    best = person.script(
        "return [...document.querySelectorAll('#patches button')]"
        ".findIndex(b => b.classList.contains('best'))"
    )
    assert cosines[best, 1] == pytest.approx(cosines[:, 1].max(), abs=1e-4)
    person.sees("#told", "“green” answers best to row")
    person.script("document.querySelectorAll('#patches button')[2].focus()")
    word = CAPTION.split()[cosines[2].argmax()]
    assert set(lit(person)) == {""}
    assert person.texts("#words .lit") == [word]
    person.sees("#told", f"The patch in row 2, column 1 answers best to “{word}”")
    person.presses("ARROW_UP", "ARROW_RIGHT", "ARROW_RIGHT")  # the last has nowhere to go
    person.sees("#told", "row 1, column 2")


def test_a_word_that_is_chosen_stays_lit(person, root):
    *_, _ = filled(person, root)
    person.clicks("#words button")
    person.clicks("#align .help")
    assert len(set(lit(person))) > 1
    assert person.one("#words button").get_attribute("aria-pressed") == "true"
    person.clicks("#tab-classify")
    assert not person.one("#patches").is_displayed()


def test_a_new_picture_forgets_the_alignment_and_asks_again(person, served, root):
    *_, _ = filled(person, root)
    before = served.calls("align")
    person.chooses(root / "photos" / "blue.png")
    person.waits(lambda: served.calls("align") == before + 1)
    person.sees("#align .status", "3 words")


def test_patches_lie_over_what_the_model_sees(person, served, root):
    from PIL import Image

    Image.new("RGB", (300, 100), (9, 99, 9)).save(root / "wide.png")
    person.chooses(root / "wide.png")
    person.waits(lambda: person.one("#shown").rect["height"] < 150)  # as wide as its column
    whole = person.one("#shown").rect
    assert whole["width"] == pytest.approx(3 * whole["height"], abs=3)
    person.clicks("#tab-align")
    person.types("#caption", f"{CAPTION}\n")
    person.sees("#align .status", "3 words")
    # The middle of the picture, 4 / 3 as wide as high, of which the model sees the square.
    picture, patches = person.one("#shown").rect, person.one("#patches").rect
    assert picture["width"] == pytest.approx(picture["height"] * 4 / 3, abs=1)
    assert person.one("#shown").value_of_css_property("object-fit") == "cover"
    assert patches["height"] == pytest.approx(picture["height"], abs=1)
    assert patches["width"] == pytest.approx(patches["height"], abs=1)
    assert patches["x"] - picture["x"] == pytest.approx(picture["width"] / 8, abs=1)


@pytest.mark.parametrize("size", [(300, 100), (100, 240), (90, 90)])
def test_patches_tile_what_is_left_where_the_edges_are_cut(person, served, root, size, monkeypatch):
    from PIL import Image

    monkeypatch.setitem(served.card, "resize", 1.25)
    person.opens()
    Image.new("RGB", size, (9, 99, 9)).save(root / "cut.png")
    person.chooses(root / "cut.png")
    person.clicks("#tab-align")
    person.types("#caption", f"{CAPTION}\n")
    person.sees("#align .status", "3 words")
    picture, patches = person.one("#shown").rect, person.one("#patches").rect
    shorter = min(picture["width"], picture["height"])
    assert patches["width"] == pytest.approx(shorter / 1.25, abs=1)
    assert patches["height"] == pytest.approx(shorter / 1.25, abs=1)
    for side, start in (("width", "x"), ("height", "y")):
        middle = [one[start] + one[side] / 2 for one in (picture, patches)]
        assert middle[0] == pytest.approx(middle[1], abs=1)
        for tile in person.all("#patches button"):
            assert tile.rect[side] == pytest.approx(patches[side] / 2, abs=1)


def test_the_picture_is_grey_while_patches_have_the_colours_of_the_scale(person, root):
    *_, _ = filled(person, root)
    assert person.one("#shown").value_of_css_property("filter") == "none"
    person.script("document.querySelectorAll('#words button')[1].focus()")
    assert person.one("#shown").value_of_css_property("filter") == "grayscale(1)"
    person.script("document.activeElement.blur()")
    assert person.one("#shown").value_of_css_property("filter") == "none"


def test_everything_can_be_done_with_the_keyboard(person):
    """From the first stop on: tabs by arrows, each control once, the focus always seen."""
    person.script("document.activeElement.blur()")
    stops = []
    while len(stops) < 12:
        person.presses("TAB")
        stop = person.script(
            "return document.activeElement.id || document.activeElement.name || "
            "document.activeElement.textContent"
        )
        if person.script("return document.activeElement === document.body"):
            break
        stops.append(stop)
        outline = person.script(
            "const e = document.activeElement;"
            "const seen = e.id === 'file' ? e.nextElementSibling : e;"
            "return parseFloat(getComputedStyle(seen).outlineWidth)"
        )
        assert outline >= 2, stop
    assert stops == ["tab-classify", "file", "sample", "names", "prompts", "Classify"]
    person.script("document.getElementById('tab-classify').focus()")
    for pressed, tab in (("ARROW_RIGHT", "search"), ("END", "align"), ("ARROW_RIGHT", "classify")):
        person.presses(pressed)
        assert person.script("return document.activeElement.id") == f"tab-{tab}"
        assert [t for t in TABS if person.one(f"#{t}").is_displayed()] == [tab]


def test_every_control_and_region_has_a_name(person, root):
    for tab in filled(person, root):
        controls = [e for e in person.all("button, input, textarea, img") if e.is_displayed()]
        assert len(controls) > 5
        for control in controls:
            decorative = control.get_attribute("alt") == "" and control.tag_name == "img"
            assert decorative or control.accessible_name, (tab, control.get_attribute("outerHTML"))
        assert person.one(f"#{tab}").aria_role == "tabpanel"
        assert person.one(f"#{tab} .status").get_attribute("role") == "status"  # polite, by itself
        assert person.one(f"#{tab} .error").get_attribute("role") == "alert"


def test_nothing_sticks_out_at_the_width_of_a_phone(person, driver, root):
    chromium.width(driver, 360)
    for tab in filled(person, root):
        assert person.script("return document.documentElement.scrollWidth") == 360, tab
        for element in person.all(f"#{tab} button, #{tab} input, #picture button"):
            if element.is_displayed():
                assert element.rect["x"] >= 0
                assert element.rect["x"] + element.rect["width"] <= 360, tab


def test_on_a_phone_the_answer_comes_into_view(person, driver, root):
    chromium.width(driver, 360, 600)
    person.types("#names", "red\n" + "x" * 80)
    person.script("scrollTo(0, 0)")
    person.chooses(root / "photos" / "red.png")
    person.sees("#classify .status", "Most likely")
    bars = "const r = document.querySelector('#bars').getBoundingClientRect();"
    person.waits(lambda: person.script(f"{bars} return r.top >= 0 && r.bottom <= innerHeight + 1"))
    assert person.script("return document.documentElement.scrollWidth") == 360
    person.script("scrollTo(0, 0)")
    (root / "none.png").write_bytes(b"none")
    person.chooses(root / "none.png")
    person.sees("#classify .error", "no picture")
    bars = bars.replace("#bars", "#classify .error")
    person.waits(lambda: person.script(f"{bars} return r.top >= 0 && r.bottom <= innerHeight + 1"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(person, driver, root, scheme):
    chromium.media(driver, {"prefers-color-scheme": scheme})
    paper = person.script("return getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
    for tab in filled(person, root):
        found = person.script(_CONTRASTS)
        assert len(found) > 10
        assert min(found)[0] >= 4.5, (tab, min(found))


def test_nothing_moves_for_those_who_asked_for_that(person, driver, served, root):
    served.delays[b"slow"] = 1.0
    for wanted, animation in (("no-preference", "turn"), ("reduce", "none")):
        chromium.media(driver, {"prefers-reduced-motion": wanted})
        person.clears("#names")
        person.types("#names", "slow\nred")
        person.chooses(root / "photos" / "red.png")
        person.sees("#classify .status.working", "Classifying")
        name = person.script(
            "return getComputedStyle(document.querySelector('#classify .working'), '::before')"
            ".animationName"
        )
        assert name == animation
        person.sees("#classify .status", "Most likely")
    served.delays.clear()


def test_a_model_that_aligns_nothing_has_no_such_tab(driver, root):
    served = InMemory(root / "cosine", aligns=False)
    app = application(served, limits=served.limits, routes=routes(served))
    before = driver.current_url
    with chromium.on_a_port(app) as url:
        driver.get(url)
        person = Person(driver)
        person.sees("#about", "defilip")
        person.waits(lambda: person.script("return document.documentElement.dataset.ready"))
        shown = [tab for tab in TABS if person.one(f"#tab-{tab}").is_displayed()]
        assert shown == ["classify"]
        assert not person.one("#sample").is_displayed()
        served.card["tower"] = "text"
        driver.refresh()
        person.sees("#fatal", "holds the text tower alone")
        assert not person.one("#picture").is_displayed()
    driver.get(before)
