"""YFCC15M V1: OpenAI's subset of YFCC100M, joined with its metadata into a table.

The subset is yfcc100m_subset_data.tsv (data/yfcc100m.md of github.com/openai/CLIP): line number,
photo number and hash of 14,829,396 photos with English titles or descriptions. Table 2 of the paper
counts 14,747,529 pairs, what could be had of it. V2 is DeCLIP's own choice, 15,388,848 pairs in a
label file of JSON lines that `tables` reads as it is. They share about 6.64 million photos.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from absl import logging

from clipbench_tf.data.readers import files, index
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.options import specification
from clipbench_tf.data.readers.tables import rows
from clipbench_tf.data.readers.tables.columns import Columns
from clipbench_tf.data.readers.tables.table_reader import TableReader
from clipbench_tf.data.readers.tables.yfcc100m import Photo, number, photos, unpacked

FORM = "1"  # of the table; another if its rows become others
CAPTIONS = {
    "both": ("title", "description"),
    "title": ("title",),
    "description": ("description",),
}


def tree(name: str) -> str:
    """Where the bucket multimedia-commons has a photo, below data/images, by its hash."""
    return f"{name[:3]}/{name[3:6]}/{name}.jpg"


def flat(name: str) -> str:
    """The file of a photo in a folder that has them all."""
    return f"{name}.jpg"


LAYOUTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "tree": ("hash", tree),
    "hash": ("hash", flat),
    "id": ("key", flat),
}


def open_yfcc15m_v1(path: str, options: Mapping[str, str]) -> Dataset:
    """The photos of the subset at `path`, each with its title and its description as captions.

    The first time they are joined with the metadata, 100 million lines, in half an hour or more;
    the table made is kept beside the subset, or in the cache if that folder cannot be written. A
    photo that the metadata lacks is a record with the problem "no metadata".

    Args:
        path: the subset, may be packed with gzip or bzip2.
        options: `metadata`: file or files (see `yfcc100m`). `images`: folder of the photos, by
            default that of the subset. `layout`: tree (abc/def/abcdef....jpg by hash, the
            default), hash (hash.jpg) or id (photo number.jpg). `caption`: title, description or
            both (the default). `missing`: see `tables`.

    Raises:
        DatasetError: if a file is no such thing, or an option is not known.
    """
    _check(path, options)
    table = joined(path, files.expand(options["metadata"]))
    image, place = LAYOUTS[options.get("layout", "tree")]
    reader = TableReader(
        table,
        rows.JsonLines(),
        Columns(image, CAPTIONS[options.get("caption", "both")], key="key", problem="problem"),
        options.get("images", path.rpartition("/")[0]),
        place=place,
        missing=options.get("missing", "refuse"),
    )
    return Dataset("yfcc15m_v1", {"all": reader}, source=specification(path, options))


def _check(path: str, options: Mapping[str, str]) -> None:
    known = {"layout": [*LAYOUTS], "caption": [*CAPTIONS], "missing": ["refuse", "skip"]}
    for name, value in options.items():
        if name not in ("metadata", "images", *known):
            raise DatasetError(
                f"{path} has no option {name!r}; there are metadata, images, {', '.join(known)}."
            )
        if name in known and value not in known[name]:
            raise DatasetError(f"{path}: {name}={value} is unknown; give {', '.join(known[name])}.")
    if not files.exists(path):
        raise files.absent([path], path)


def joined(subset: str, metadata: Sequence[str]) -> str:
    """The path of the table of `subset`, which is made unless it is there; JSON lines.

    Each has `key` (the photo number), `hash`, `title`, `description`, `page` and `licence`, or a
    `problem`. Rows are in the order of the metadata, and those that it lacks come last.

    Raises:
        DatasetError: see `open_yfcc15m_v1`.
    """
    parts = [
        (path if files.is_remote(path) else os.path.abspath(path), *files.stamp(path))
        for path in (subset, *metadata)
    ]
    identity = hashlib.sha256(json.dumps([FORM, parts]).encode()).hexdigest()
    name = f"yfcc15m_v1-{identity[:16]}.jsonl"
    folders = [index.folder()] if files.is_remote(subset) else [Path(subset).parent, index.folder()]
    for folder in folders:
        if (folder / name).exists():
            return str(folder / name)
    index.folder().mkdir(parents=True, exist_ok=True)
    folder = next((folder for folder in folders if os.access(folder, os.W_OK)), folders[-1])
    logging.info("Joining %s with %s into %s.", subset, ", ".join(metadata), folder / name)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=name, suffix=".partial", delete=False
    ) as out:
        try:
            _join(subset, metadata, out)
            out.close()
            os.replace(out.name, folder / name)
        except BaseException:
            os.unlink(out.name)
            raise
    return str(folder / name)


class _Subset(NamedTuple):
    """The subset, by photo number: `ids` and `lines` int64 [N], `hashes` uint8 [N, 16]."""

    ids: np.ndarray
    lines: np.ndarray
    hashes: np.ndarray


def _join(subset: str, metadata: Sequence[str], out: IO[str]) -> None:
    wanted = _subset(subset)
    found = np.zeros(len(wanted.ids), bool)
    seen = told = moved = 0
    for path in metadata:
        for batch in photos(path):
            places = np.searchsorted(wanted.ids, batch.ids)
            hits = wanted.ids[np.minimum(places, len(found) - 1)] == batch.ids
            for hit in np.flatnonzero(hits).tolist():
                place = int(places[hit])
                photo = None if found[place] else batch.photo(hit)
                # A photo that the subset has twice is two pairs.
                while photo and place < len(found) and wanted.ids[place] == batch.ids[hit]:
                    moved += batch.lines[hit] not in (-1, wanted.lines[place])
                    found[place] = True
                    _write(out, wanted, place, photo)
                    place += 1
            seen += len(batch.ids)
            if seen >= told + 10**7:
                told = seen
                logging.info("%d lines of metadata read, %d photos found.", seen, found.sum())
    if not found.any():
        raise DatasetError(
            f"{', '.join(metadata)} has none of the {len(found)} photos of {subset}; give the "
            f"metadata of all of YFCC100M."
        )
    for place in np.flatnonzero(~found).tolist():
        _write(out, wanted, place, None)
    logging.info(
        "%d photos: %d with metadata, %d without; %d stand in another line than the subset says.",
        len(found),
        found.sum(),
        (~found).sum(),
        moved,
    )


def _write(out: IO[str], wanted: _Subset, place: int, photo: Photo | None) -> None:
    row = {"key": str(wanted.ids[place]), "hash": wanted.hashes[place].tobytes().hex()}
    row |= photo._asdict() if photo else {"problem": "no metadata"}
    out.write(json.dumps(row, ensure_ascii=False) + "\n")


def _subset(path: str) -> _Subset:
    """Reads the subset, 32 bytes a photo in memory.

    Raises:
        DatasetError: naming the first line that is not line number, photo number and hash.
    """
    dtype = np.dtype([("line", np.int64), ("id", np.int64), ("hash", np.uint8, 16)])
    table = np.fromiter(_lines(path), dtype)
    if not len(table):
        raise DatasetError(f"{path} is empty.")
    table = table[np.argsort(table["id"], kind="stable")]
    return _Subset(*(np.ascontiguousarray(table[name]) for name in ("id", "line", "hash")))


def _lines(path: str) -> Iterator[tuple[int, int, np.ndarray]]:
    for count, line in enumerate(unpacked(path), 1):
        cells = line.split()
        try:
            # A leading 0 is lost where a hash went through a number.
            digest = bytes.fromhex(cells[2].decode().zfill(32))
            row = number(cells[0]), number(cells[1]), np.frombuffer(digest, np.uint8)
        except (ValueError, IndexError):
            row = -1, -1, np.zeros(0, np.uint8)
        if -1 in row[:2] or len(row[2]) != 16 or len(cells) != 3:
            raise DatasetError(
                f"{path}, line {count}: {line[:80]!r} is not line number, photo number and hash, "
                f"as in yfcc100m_subset_data.tsv; download it again."
            )
        yield row
