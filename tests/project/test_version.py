"""One version, wherever it stands."""

import re
from pathlib import Path

import clipbench_tf

ROOT = Path(__file__).parents[2]


def test_changelog_and_citation_have_the_version_of_the_package():
    version = clipbench_tf.__version__
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert changes[0] == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
