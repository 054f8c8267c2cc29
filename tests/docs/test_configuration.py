"""docs/configuration.md is what the signatures say, and has every binding of the gin files."""

import re

import pytest

from tests.docs import pages
from tests.gin_files import GIN
from tests.scripts import in_process

pytestmark = pytest.mark.skipif(not pages.THERE, reason="the tests lie apart from the pages")

BINDING = re.compile(r"^(?:\w+/)?(\w+\.\w+)\.(\w+) = ", re.MULTILINE)
MACRO = re.compile(r"^(\w+) = ", re.MULTILINE)
FILES = sorted(GIN.rglob("*.gin"))


def parameters(name: str) -> list[str]:
    """The parameters in the page's table of `name`."""
    part = pages.section(pages.text("configuration.md"), name)
    return re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)


def test_the_page_is_what_the_script_writes():
    status, output, errors = in_process.run("build/docs.py", "--verify")
    assert status == 0, output + errors


def test_every_parameter_is_described():
    rows = [line for line in pages.text("configuration.md").splitlines() if line.startswith("| `")]
    assert len(rows) > 100 and not [row for row in rows if row.endswith("|  |")]


def test_a_page_that_says_otherwise_is_told_apart(tmp_path):
    page = tmp_path / "configuration.md"
    text = pages.text("configuration.md")
    assert "| `chunks` | `int` | `1` |" in text
    page.write_text(text.replace("| `chunks` | `int` | `1` |", "| `chunks` | `int` | `2` |"))
    status, output, errors = in_process.run("build/docs.py", "--verify", f"--output={page}")
    assert status == 1
    assert "-| `chunks` | `int` | `2` |" in output and "+| `chunks` | `int` | `1` |" in output
    assert "run scripts/build/docs.py" in errors


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(GIN)))
def test_every_binding_of_a_gin_file_is_in_the_page(path):
    text = path.read_text(encoding="utf-8")
    for name, parameter in BINDING.findall(text):
        assert parameter in parameters(name), f"{name}.{parameter}"
    for macro in MACRO.findall(text):
        assert macro in parameters("Macros")
