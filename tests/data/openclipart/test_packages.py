"""Fetching packages with stand-ins for apt-get and dpkg-deb."""

import hashlib
from pathlib import Path

import pytest

from clipbench_tf.data.openclipart import packages
from clipbench_tf.data.readers.dataset import DatasetError

CONTENT = b"a package\n"
PACKAGE = packages.Package("some-art", "1:2.0-3", hashlib.sha256(CONTENT).hexdigest())
FILE = "some-art_1%3a2.0-3_all.deb"
APT = f"""#!/bin/sh
[ "$*" = "download some-art=1:2.0-3" ] || exit 9
echo apt >> calls
echo a package > {FILE}
"""
DPKG = f"""#!/bin/sh
[ "$1" = -x ] && [ "$2" = {FILE} ] || exit 9
echo dpkg >> calls
mkdir -p "$3/usr"
cp "$2" "$3/usr/content"
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Makes `name` a program with this text; no other program is found but a shell's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")

    def make(name: str, text: str) -> None:
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)

    return make


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().split() if (folder / "calls").exists() else []


def test_a_package_is_downloaded_and_unpacked_once(tools, tmp_path):
    tools("apt-get", APT)
    tools("dpkg-deb", DPKG)
    folder = tmp_path / "a folder" / "of packages"
    roots = [packages.fetch(PACKAGE, folder) for _ in range(2)]
    assert roots[0] == roots[1]
    assert (roots[0] / "usr" / "content").read_bytes() == CONTENT
    assert calls(folder) == ["apt", "dpkg"]


def test_a_file_put_there_by_hand_needs_no_apt(tools, tmp_path, monkeypatch):
    tools("dpkg-deb", DPKG)
    tools("apt-get", "#!/bin/sh\nexit 1\n")
    (tmp_path / FILE).write_bytes(CONTENT)
    assert (packages.fetch(PACKAGE, tmp_path) / "usr" / "content").is_file()
    assert calls(tmp_path) == ["dpkg"]


def test_unpacking_that_was_stopped_is_done_again(tools, tmp_path):
    tools("apt-get", APT)
    tools("dpkg-deb", DPKG + "exit 2\n")
    with pytest.raises(DatasetError, match=r"dpkg-deb -x .* failed: exit status 2.*disk"):
        packages.fetch(PACKAGE, tmp_path)
    tools("dpkg-deb", DPKG)
    assert (packages.fetch(PACKAGE, tmp_path) / "usr" / "content").is_file()
    assert calls(tmp_path) == ["apt", "dpkg", "dpkg"]


def test_without_apt_the_error_says_where_else_to_get_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatasetError, match=r"no apt-get on this machine.*Debian 12") as error:
        packages.fetch(PACKAGE, tmp_path)
    assert FILE in str(error.value) and str(tmp_path) in str(error.value)


def test_without_network_the_error_has_what_apt_said(tools, tmp_path):
    tools("apt-get", "#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    with pytest.raises(DatasetError, match=r"Unable to locate package.*apt-get update"):
        packages.fetch(PACKAGE, tmp_path)


def test_a_file_of_another_version_is_refused_and_not_unpacked(tools, tmp_path):
    tools("dpkg-deb", DPKG)
    (tmp_path / FILE).write_bytes(CONTENT + b"more")
    with pytest.raises(DatasetError, match=rf"SHA-256 is not {PACKAGE.sha256}.*Remove it"):
        packages.fetch(PACKAGE, tmp_path)
    assert calls(tmp_path) == []


@pytest.mark.parametrize("package", [packages.DRAWINGS, packages.FONTS])
def test_the_real_packages_are_named_exactly(package):
    assert len(package.sha256) == 64 and set(package.sha256) <= set("0123456789abcdef")
    assert package.file.startswith(f"{package.name}_") and ":" not in package.file
