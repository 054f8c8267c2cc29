"""The committed records: whole, fair, and what the pages show."""

import html
import re
from pathlib import Path

import pytest

from clipbench_tf.leaderboard import checks, table
from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.entry import RECORDS, read_all
from clipbench_tf.suites import suite

ROOT = Path(__file__).parents[2]
SUITES = read_all([RECORDS])


@pytest.mark.parametrize("name", SUITES)
def test_records_are_whole_unmixed_and_fair(name):
    assert checks.complaints(SUITES[name]) == []


@pytest.mark.parametrize("name", SUITES)
def test_every_row_of_the_suite_has_the_same_seeds_of_one_commit_and_machine(name):
    board = Board(SUITES[name])
    found, facts = suite.load(name, "emoji")
    assert [row.levels for row in board.rows] == found.rows
    seeds = board.rows[0].seeds
    assert seeds == list(range(len(seeds))) and len(seeds) >= 3
    assert all(row.seeds == seeds for row in board.rows)
    assert board.suite == facts
    assert len({entry.run["git_commit"] for entry in board.entries}) == 1
    assert len({str(entry.run["hardware"]) for entry in board.entries}) == 1


@pytest.mark.parametrize("name", SUITES)
def test_the_results_page_shows_the_table(name):
    page = (ROOT / "docs/results.md").read_text()
    board = Board(SUITES[name])
    assert table.markdown(board) in page
    assert table.caption(board) in " ".join(page.split())


@pytest.mark.parametrize("name", SUITES)
def test_the_results_page_has_a_picture_of_the_same_numbers(name):
    text = (ROOT / f"docs/{name}_accuracy.svg").read_text()
    (described,) = re.findall(r"<dc:description>(.*?)</dc:description>", text)
    board = Board(SUITES[name])
    for row in board.rows:
        mean = 100 * row.estimate("top1", board.splits[0]).mean
        assert f"{', '.join(map(str, row.levels))}: {mean:.1f}" in html.unescape(described)


@pytest.mark.parametrize("name", SUITES)
def test_the_readme_shows_the_table(name):
    text = (ROOT / "README.md").read_text()
    board = Board(SUITES[name])
    assert table.markdown(board) in text
    assert table.caption(board) in " ".join(text.split())
