"""The page in a real browser: what a person sees and does."""

import dataclasses

import pytest

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.page.page import write
from tests.leaderboard import samples
from tests.serving.page import chromium
from tests.serving.page.person import Person

pytestmark = chromium.needed
EVIL = "</script><b onclick='alert(1)'> & \"x\""
FIRST = "#suite-0 "
NAMES = f"{FIRST}tr[data-row] th"


def boards():
    entries = []
    for entry in samples.entries():
        more = "" if entry.row[0] == "CLIP" else "objective.Objective.weight = 0.4\n"
        config = f"{entry.config}{more}name.Name.text = '''{EVIL}'''"
        entries.append(dataclasses.replace(entry, config=config))
    return [Board(entries), Board(samples.of_depths(1))]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A browser on the page, opened as a file."""
    root = tmp_path_factory.mktemp("leaderboard")
    write(boards(), root / "page.html")
    with chromium.browser(root / "profile") as driver:
        driver.get((root / "page.html").as_uri())
        yield driver


@pytest.fixture
def person(driver):
    person = Person(driver)
    person.opens()
    yield person
    assert person.errors_of_scripts() == []


def shown(person) -> list[str]:
    """The rows of the first table, from top to bottom."""
    rows = person.all(f"{FIRST}tr[data-row]")
    cells = [row.find_elements("css selector", "th, td")[:2] for row in rows if row.is_displayed()]
    return [" ".join(cell.text for cell in pair) for pair in cells]


def head(person, text):
    found = [e for e in person.all(f"{FIRST}thead button") if e.text.startswith(text)]
    return found[0]


def sorts(person) -> list[str | None]:
    found = [e.get_attribute("aria-sort") for e in person.all(f"{FIRST}thead th")]
    return [value for value in found if value]


def test_headings_sort_by_numbers_and_by_text(person):
    start = [" ".join(row) for row in samples.ROWS]
    assert shown(person) == start
    head(person, "test top-1").click()
    assert shown(person) == start[::-1]  # each row has more than the one before
    assert sorts(person) == ["descending"]
    head(person, "test top-1").click()
    assert (shown(person), sorts(person)) == (start, ["ascending"])
    head(person, "method").click()
    by_name = sorted(samples.ROWS, key=lambda row: row[0].lower())
    assert shown(person) == [" ".join(row) for row in by_name]  # encoders in the order before
    assert sorts(person) == ["ascending"]


def test_a_sort_is_stable_and_what_has_no_value_comes_last(person):
    head(person, "paper").click()
    values = [37.2, 28.5, 21.3, 44.4, None, 32.8, 34.3, 39.5, 43.2, 45.0]
    for sign in (-1, 1):
        order = sorted(range(10), key=lambda n: (values[n] is None, sign * (values[n] or 0)))
        assert shown(person) == [" ".join(samples.ROWS[n]) for n in order]
        head(person, "paper").click()
    head(person, "paper").click()
    before = shown(person)
    head(person, "steps").click()  # the same for all
    assert shown(person) == before


def test_the_keyboard_sorts_and_opens(person):
    person.script("arguments[0].focus()", head(person, "TFLOP"))
    person.presses("ENTER")
    assert shown(person)[0].startswith("DeFILIP")
    button = person.all(f"{NAMES} button")[0]
    person.script("arguments[0].focus()", button)
    person.presses("ENTER")
    assert button.get_attribute("aria-expanded") == "true"
    person.sees(f"{FIRST}.inside h3", "DeFILIP, ResNet50: each seed")
    person.presses("SPACE")
    assert button.get_attribute("aria-expanded") == "false"
    assert not person.one(f"{FIRST}.inside").is_displayed()


def test_a_row_opens_its_details_which_stay_below_it(person):
    person.all(f"{FIRST}tr[data-row]")[1].find_elements("css selector", "td")[3].click()
    assert len(person.all(f"{FIRST}.inside table.seeds tbody tr")) == 3
    figures = person.all(f"{FIRST}figure svg")
    labels = [figure.get_attribute("aria-label") for figure in figures]
    assert labels == [
        "SLIP, ResNet50: validation top-1 (%) by step",
        "SLIP, ResNet50: training loss by step",
    ]
    assert [len(f.find_elements("css selector", "path.curve")) for f in figures] == [3, 3]
    assert person.one(f"{FIRST}pre").text.endswith(f"name.Name.text = '''{EVIL}'''")
    changes = person.texts(f"{FIRST}.changes tbody td")
    assert changes == ["'clip'", "'slip'", "not bound", "0.4"]
    head(person, "test top-1").click()
    follows = "return arguments[0].nextElementSibling.classList.contains('details')"
    row = person.all(f"{FIRST}tr[data-row='1']")[0]
    assert person.script(follows, row)
    assert person.one(f"{FIRST}.inside").is_displayed()


def test_a_curve_stands_where_its_points_are(person):
    person.all(f"{NAMES} button")[0].click()
    line = person.one(f"{FIRST}figure:nth-child(2) path.curve").get_attribute("d")
    points = [[float(v) for v in part.split()] for part in line[1:].split("L")]
    # Steps 10, 350, 700 and losses 4.8, 2.0, 1.0 between the edges of the frame.
    xs = [48 + (step - 10) / 690 * 400 for step in (10, 350, 700)]
    ys = [192 - (loss - 1.0) / 3.8 * 182 for loss in (4.8, 2.0, 1.0)]
    for (x, y), right_x, right_y in zip(points, xs, ys, strict=True):
        assert (x, y) == (pytest.approx(right_x, abs=0.06), pytest.approx(right_y, abs=0.06))


def test_the_filter_keeps_rows_with_all_words(person):
    person.all(f"{NAMES} button")[0].click()
    person.types("#filter", "VIT  clip")
    assert shown(person) == [f"{row[0]} {row[1]}" for row in samples.ROWS[5:] if "CLIP" in row[0]]
    person.sees("#count", "2 of 18 rows")
    assert not person.one(f"{FIRST}.inside").is_displayed()
    person.presses(*["BACKSPACE"] * 9)
    assert len(shown(person)) == 10
    assert person.one(f"{FIRST}.inside").is_displayed()


def test_the_config_is_copied(person):
    person.script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    person.all(f"{NAMES} button")[0].click()
    person.one(f"{FIRST}.copy").click()
    person.sees(f"{FIRST}.inside [role=status]", "Copied.")
    assert person.script("return window.copied") == boards()[0].entries[0].config


def test_where_the_clipboard_is_refused_the_config_is_selected(person):
    person.script("navigator.clipboard.writeText = async () => { throw new Error('no'); }")
    person.all(f"{NAMES} button")[0].click()
    person.one(f"{FIRST}.copy").click()
    person.waits(lambda: person.texts(f"{FIRST}.inside [role=status]") != [""])
    assert person.script("return getSelection().toString()").endswith(f"text = '''{EVIL}'''")


def test_a_phone_shows_it_without_scrolling_the_page(person):
    chromium.width(person.driver, 360)
    try:
        person.all(f"{NAMES} button")[0].click()
        assert person.script("return document.documentElement.scrollWidth") <= 360
        inside = person.one(f"{FIRST}.inside").rect
        assert inside["x"] >= 0 and inside["x"] + inside["width"] <= 360
        # What is scrolled away leaves the method in sight.
        person.script("document.querySelector('.wide').scrollLeft = 300")
        assert person.all(NAMES)[0].rect["x"] >= 0
    finally:
        person.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(person, scheme):
    chromium.media(person.driver, {"prefers-color-scheme": scheme})
    colours = person.script(
        "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    )
    chromium.media(person.driver, {"prefers-color-scheme": ""})
    ink, paper = (_luminance(colour) for colour in colours)
    assert (paper < ink) == (scheme == "dark")
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7


def _luminance(colour: str) -> float:
    """That of "rgb(r, g, b)", by WCAG."""
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_without_scripts_the_tables_still_show(person):
    person.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        person.driver.refresh()
        cells = person.driver.find_elements("css selector", f"{FIRST}tbody th")
        assert [cell.text for cell in cells] == [row[0] for row in samples.ROWS]
        assert not person.driver.find_element("css selector", "#tools").is_displayed()
    finally:
        person.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
