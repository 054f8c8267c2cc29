"""The Debian packages that hold the drawings, and the fonts their lettering is set in."""

import dataclasses
import hashlib
import shutil
import subprocess
from pathlib import Path

from clipbench_tf.data.readers.dataset import DatasetError


@dataclasses.dataclass(frozen=True)
class Package:
    """One version of a Debian package, by the SHA-256 of its file."""

    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """What apt calls the package's file."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_all.deb"


# Exact versions, those of Debian 12: other drawings or fonts would not give the same pictures.
DRAWINGS = Package(
    "openclipart-svg",
    "1:0.18+dfsg-19",
    "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
)
# The successor of Bitstream Vera, which most lettering in the drawings asks for.
FONTS = Package(
    "fonts-dejavu-core",
    "2.37-6",
    "8892669e51aab4dc56682c8e39d8ddb7d70fad83c369344e1e240bf3ca22bb76",
)
DRAWINGS_FOLDER = "usr/share/openclipart/svg"
FONTS_FOLDER = "usr/share/fonts/truetype/dejavu"


def fetch(package: Package, folder: Path) -> Path:
    """Downloads `package` to `folder` and unpacks it there, once; nothing is installed.

    A file of the package that lies in `folder` already is taken as it is.

    Returns:
        The folder that stands for the root of the file system in the package.

    Raises:
        DatasetError: without apt-get or dpkg-deb, without network, or for another file.
    """
    root = folder / f"{package.name}_{package.version.replace(':', '_')}"
    if root.is_dir():
        return root
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / package.file
    by_hand = (
        f"Run this on Debian 12 after `apt-get update`, or fetch {package.file} elsewhere "
        f"(https://snapshot.debian.org has it) and put it in {folder}."
    )
    if not archive.is_file():
        _run(["apt-get", "download", f"{package.name}={package.version}"], folder, by_hand)
    if not archive.is_file():
        raise DatasetError(f"apt-get download left no {archive}. {by_hand}")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != package.sha256:
        raise DatasetError(
            f"{archive} is not the file of {package.name} {package.version}: its SHA-256 is not "
            f"{package.sha256}. Remove it and run this again."
        )
    partial = root.with_name(f"{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    _run(
        ["dpkg-deb", "-x", package.file, partial.name],
        folder,
        "Install dpkg, or check that the disk is not full.",
    )
    partial.rename(root)
    return root


def _run(command: list[str], folder: Path, remedy: str) -> None:
    """Runs `command` in `folder`; a failure becomes a DatasetError that ends with `remedy`."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise DatasetError(f"There is no {command[0]} on this machine. {remedy}") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise DatasetError(f"`{' '.join(command)}` failed: {said}. {remedy}")
