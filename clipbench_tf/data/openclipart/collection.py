"""The drawings of the package: files, the folders they are found in, and their descriptions."""

import dataclasses
import hashlib
from pathlib import Path

from clipbench_tf.data.openclipart.metadata import Metadata, MetadataError, read_metadata

# Why an entry of the package is no drawing of the data set.
LINK = "a link to another drawing"
UNREADABLE = "not readable as XML"
LICENCE = "not in the public domain"


@dataclasses.dataclass(frozen=True)
class Drawing:
    """One SVG file. `path` is relative to the collection, such as "animals/birds/hen.svg"."""

    path: str
    digest: str  # SHA-256 of the file
    metadata: Metadata
    links: tuple[str, ...] = ()  # further paths, in other folders, that lead to it

    @property
    def category(self) -> str:
        """The folder it lies in, such as "animals/birds"."""
        return self.path.rpartition("/")[0]


def read_collection(root: Path) -> tuple[list[Drawing], dict[str, str]]:
    """Reads every SVG under `root`, in the order of their paths.

    Returns:
        The drawings, and why each other path is none.
    """
    paths = sorted(root.rglob("*.svg"))
    dropped = {_relative(path, root): LINK for path in paths if path.is_symlink()}
    links: dict[Path, list[str]] = {}
    for link in dropped:
        links.setdefault((root / link).resolve(), []).append(link)
    drawings = []
    for path in paths:
        name = _relative(path, root)
        if name in dropped:
            continue
        content = path.read_bytes()
        try:
            metadata = read_metadata(content)
        except MetadataError:
            dropped[name] = UNREADABLE
            continue
        if not is_public_domain(metadata.licence):
            dropped[name] = LICENCE
            continue
        digest = hashlib.sha256(content).hexdigest()
        drawings.append(Drawing(name, digest, metadata, tuple(links.get(path.resolve(), ()))))
    return drawings, dropped


def is_public_domain(licence: str) -> bool:
    """Whether the address names the public domain; "" stands for the package's own licence."""
    plain = licence.lower().replace("-", "").replace("_", "")
    return not licence or "publicdomain" in plain


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
