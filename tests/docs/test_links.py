"""The pages lead somewhere: links, headings and paths that they name exist."""

import re
from collections.abc import Iterator

import pytest

from tests.docs import pages

pytestmark = pytest.mark.skipif(not pages.THERE, reason="the tests lie apart from the pages")

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"(?<![\w./-])(?:clipbench_tf|gin|scripts|tests|docs|\.ci)/[\w./-]*\w")
TABLE = re.compile(r"^<!-- (table\d) -->\n.*?^<!-- /\1 -->\n", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
EACH_PAGE = pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)


def anchors(text: str) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def links(page) -> Iterator[tuple[str, str]]:
    """The relative links of a page: path, "" for the page itself, and heading."""
    for target in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"\w+:", target):
            path, _, heading = target.partition("#")
            yield path, heading


@EACH_PAGE
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page):
    for path, heading in links(page):
        target = page.parent / path if path else page
        assert target.exists(), path
        if heading:
            assert heading in anchors(target.read_text(encoding="utf-8")), f"{path}#{heading}"


@EACH_PAGE
def test_every_path_of_the_repository_that_a_page_names_is_there(page):
    named = set(PATH.findall(page.read_text(encoding="utf-8")))
    assert not sorted(path for path in named if not (pages.ROOT / path).exists())


def test_the_readme_has_at_most_150_lines_beside_its_tables_of_records():
    text = TABLE.sub("", pages.README.read_text(encoding="utf-8"))
    assert len(text.splitlines()) <= 150


def test_the_readme_leads_to_every_page():
    reached = {(pages.ROOT / path).resolve() for path, _ in links(pages.README) if path}
    assert {page for page in pages.PAGES[1:] if page.resolve() not in reached} == set()


@EACH_PAGE
def test_prose_has_at_most_100_letters_a_line(page):
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    prose = (line for line in text.splitlines() if not line.startswith("|") and "](" not in line)
    assert not [line for line in prose if len(line) > 100]
