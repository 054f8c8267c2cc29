"""The pages of the documentation and the blocks of code in them."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
THERE = README.is_file() and len(PAGES) > 1  # the tests may lie apart from the pages


class Block(NamedTuple):
    """A fenced block of code."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name of the file that it is, where its first line is a comment with one."""
        found = re.match(r"# (\w+\.(?:py|gin))\n", self.text)
        return found[1] if found else None


def text(name: str) -> str:
    """The page docs/<name>."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """The part of `page` under the heading `title` of the second level."""
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(part: str) -> list[Block]:
    """The fenced blocks of `part`, in order."""
    return [Block(*b) for b in re.findall(r"^```(\w*)\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)]
