"""The HTML of the page, parsed, against numbers by hand."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import scipy.stats

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.page.page import write
from tests.leaderboard import samples

EVIL = "</script><img src=x onerror=alert(1)> \"&amp;'"


class Parsed(HTMLParser):
    """Tables as lists of lines of (text, attributes), and the contents of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[tuple[str, dict]]]] = []
        self.tags: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.where = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append(("", attributes))
        self.where = tag if tag in ("td", "th", "script") else self.where
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.where = "" if tag == self.where else self.where

    def handle_data(self, data):
        if self.where == "script":
            self.scripts[-1] += data
        elif self.where:
            text, attributes = self.tables[-1][-1][-1]
            self.tables[-1][-1][-1] = (text + data, attributes)


def parsed(boards, path) -> Parsed:
    write(boards, path)
    return Parsed(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    boards = [Board(samples.entries()), Board(samples.of_depths())]
    return parsed(boards, tmp_path_factory.mktemp("page") / "new" / "page.html")


def column(page: Parsed, table: int, name: str) -> list[tuple[str, dict]]:
    heads = [text for text, _ in page.tables[table][0]]
    return [line[heads.index(name)] for line in page.tables[table][1:]]


def seeds(place: int) -> np.ndarray:
    """The top-1 of a row of `samples.entries`, by its formula."""
    return np.array(
        [0.1 + 0.015 * place + 0.004 * ((seed * 7 + place * 3) % 5 - 2) for seed in range(3)]
    )


def interval(values: np.ndarray) -> tuple[float, float, float]:
    low, high = scipy.stats.t.interval(
        0.95, len(values) - 1, values.mean(), scipy.stats.sem(values)
    )
    return values.mean(), low, high


def test_a_table_for_each_suite_has_a_line_for_each_row(page):
    assert [len(table) for table in page.tables] == [11, 9]
    names = zip(column(page, 0, "method"), column(page, 0, "image encoder"), strict=True)
    assert [(a, b) for (a, _), (b, _) in names] == samples.ROWS
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    ids = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert links == [f"#{name}" for name in ids] == ["#suite-0", "#suite-1"]


def test_means_have_their_intervals_in_text_and_as_a_bar(page):
    cells = column(page, 0, "test top-1 (%)")
    for place, (text, attributes) in enumerate(cells):
        mean, low, high = interval(100 * seeds(place))
        assert text == f"{mean:.1f} ({low:.1f} to {high:.1f})"
        assert float(attributes["data-value"]) == pytest.approx(mean)
        assert "number" in attributes["class"]
    longest = interval(seeds(9))[2]
    bars = [a for tag, a in page.tags if tag == "rect" and a["class"] == "mean"]
    assert len(bars) == 18
    for place, bar in enumerate(bars[:10]):
        assert float(bar["width"]) == pytest.approx(100 * seeds(place).mean() / longest, abs=0.01)


def test_gains_are_paired_by_seed_and_marked_where_0_is_outside(page):
    cells = column(page, 0, "over CLIP (points)")
    for place, (text, attributes) in enumerate(cells):
        if place % 5 == 0:
            assert (text, attributes) == ("\N{EN DASH}", {"class": "number"})
            continue
        mean, low, high = interval(100 * (seeds(place) - seeds(place - place % 5)))
        told = f"{mean:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "\N{MINUS SIGN}")
        assert text == told
        assert ("clear" in attributes["class"]) == (low > 0 or high < 0)
    assert {"over text layers 12 (points)", "over CLIP (points)"} <= {
        text for text, _ in page.tables[1][0]
    }


def test_the_papers_numbers_have_their_own_column(page):
    assert [text for text, _ in column(page, 0, "paper (%)")] == [
        *("37.2", "28.5", "21.3", "44.4", "\N{EN DASH}"),
        *("32.8", "34.3", "39.5", "43.2", "45.0"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test MRR", "0.140 (0.112 to 0.168)"),
        ("seeds", "3"),
        ("steps", "700"),
        ("minutes", "1.0"),
        ("TFLOP", "10"),
        ("machine", "2 cores of AMD EPYC (avx2, avx512_bf16)"),
        ("commit", "aaaaaaa"),
    ],
)
def test_the_first_row_tells_what_it_took(page, name, text):
    if name == "test MRR":
        mean, low, high = interval(1.4 * seeds(0))
        assert text == f"{mean:.3f} ({low:.3f} to {high:.3f})"
    assert column(page, 0, name)[0][0] == text


def test_nothing_is_loaded_from_anywhere(page, tmp_path):
    loaders = ("src", "href", "action", "data", "poster", "srcset")
    for tag, attributes in page.tags:
        for name in loaders:
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    policy = next(a["content"] for _, a in page.tags if "Content-Security-Policy" in a.values())
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_names_and_configs_of_users_stay_text(tmp_path):
    suite = dataclasses.replace(
        samples.SUITE, name=EVIL, title=EVIL, scale=EVIL, factors=(EVIL,), baselines={EVIL: "CLIP"}
    )
    entries = [
        dataclasses.replace(
            samples.entry((row,), suite=suite, place=place),
            config=f"method.Method.name = '''{EVIL}{place}'''\n",
        )
        for place, row in enumerate(("CLIP", EVIL))
    ]
    page = parsed([Board(entries)] * 2, tmp_path / "page.html")
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert column(page, 0, EVIL)[1][0] == EVIL
    assert len(page.scripts) == 2
    row = json.loads(page.scripts[0])[0][1]
    assert row["label"] == EVIL
    assert row["config"] == entries[1].config
    assert row["differences"] == [
        {
            "base": "CLIP",
            "changes": [["method.Method.name", f"'''{EVIL}0'''", f"'''{EVIL}1'''"]],
        }
    ]


def test_the_same_records_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write([Board(samples.entries(1))], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_one_row_of_one_seed_in_a_suite_of_ones_own_has_no_interval_and_no_paper(tmp_path):
    suite = dataclasses.replace(samples.SUITE, name="mine", factors=("method",), baselines={})
    page = parsed([Board([samples.entry(("OTTER",), suite=suite)])], tmp_path / "page.html")
    assert column(page, 0, "test top-1 (%)")[0][0] == "20.0"
    heads = [text for text, _ in page.tables[0][0]]
    assert not [text for text in heads if re.search("paper|over", text)]
    assert "ul" not in [tag for tag, _ in page.tags]
