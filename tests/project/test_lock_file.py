"""requirements_lock.txt: within the bounds of setup.py, and what the records were made with."""

import json
import re
from pathlib import Path
from unittest import mock

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKED = {
    canonicalize_name(name): version
    for name, version in re.findall(
        r"^([\w.-]+)==(\S+)$", (ROOT / "requirements_lock.txt").read_text(), re.MULTILINE
    )
}


def bounds() -> list[Requirement]:
    """All that setup.py asks for, but for CUDA and Beam, which wants older packages."""
    with mock.patch.object(setuptools, "setup") as setup:
        exec(
            compile((ROOT / "setup.py").read_text(), ROOT / "setup.py", "exec"),
            {"__file__": ROOT / "setup.py"},
        )
    asked = setup.call_args.kwargs
    apart = ("gpu", "data")
    extras = [extra for name, extra in asked["extras_require"].items() if name not in apart]
    return [Requirement(text) for part in (asked["install_requires"], *extras) for text in part]


def test_it_has_a_version_within_the_bounds_of_every_requirement():
    for requirement in bounds():
        version = LOCKED[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


@pytest.mark.parametrize(
    "path",
    sorted(ROOT.glob("clipbench_tf/leaderboard/records/*/*.json")),
    ids=lambda path: path.stem,
)
def test_it_has_the_versions_of_the_committed_records(path):
    packages = json.loads(path.read_text())["run"]["packages"]
    packages = {n: v for n, v in packages.items() if n not in ("python", "clipbench_tf")}
    assert {name: LOCKED[canonicalize_name(name)] for name in packages} == packages
