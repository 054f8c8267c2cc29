"""Checksums of data, class names and prompts: what a result was made from."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.reader import Reader
from clipbench_tf.data.selection import evenly_spread
from clipbench_tf.data.sources import Dataset

_SAMPLES = 64  # records of a split that are read
_MANIFEST = "manifest.json"  # what `data.preparation` leaves, with checksums of the shards


@runtime_checkable
class FiledReader(Protocol):
    """A reader that tells which files it reads."""

    paths: Sequence[str]


def texts_checksum(texts: Sequence[str]) -> str:
    """SHA-256 of class names or prompts, in their order."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def data_checksum(dataset: Dataset, splits: Sequence[str]) -> str:
    """SHA-256 of what is soon known of the data in `splits`.

    It sees the number of records in each part and the names of the parts; names and sizes of the
    files, where the reader says which they are (`FiledReader`); every byte of shards beside which
    preparation left a manifest with their checksums, whatever version of it that was; and 64
    records of each split, at equal distances, with all that is in them. It does not see a change in
    a file without a manifest that leaves its size as it was and touches none of those records.
    Where files lie does not count.

    Raises:
        DatasetError, OSError: if the data set cannot be read.
    """
    digest = hashlib.sha256()
    for split in splits:
        reader = dataset.split(split)
        parts = [list(reader.names), list(map(int, reader.counts)), _sizes(reader)]
        digest.update(json.dumps([split, *parts]).encode())
        for content in (*_shards(reader), *_sample(reader)):
            digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _sizes(reader: Reader) -> list[tuple[str, int]]:
    """Name and size of each of the reader's files."""
    if not isinstance(reader, FiledReader):
        return []
    with ThreadPoolExecutor(16) as pool:  # in a bucket, each takes a while
        sizes = list(pool.map(files.size, reader.paths))
    return [(path.rpartition("/")[2], size) for path, size in zip(reader.paths, sizes, strict=True)]


def _shards(reader: Reader) -> Iterator[bytes]:
    """The checksums of all shards, if there is a manifest."""
    if isinstance(reader, FiledReader) and reader.paths:
        path = f"{reader.paths[0].rpartition('/')[0]}/{_MANIFEST}"
        if files.exists(path):
            yield json.dumps(_sha256(files.read(path)), sort_keys=True).encode()


def _sha256(manifest: bytes) -> Any:
    """Its entry of checksums; all of it, if it is not one of ours."""
    try:
        content = json.loads(manifest)
    except ValueError:
        return manifest.decode(errors="replace")
    return content.get("sha256", content) if isinstance(content, dict) else content


def _sample(reader: Reader) -> Iterator[bytes]:
    ends = np.cumsum(np.asarray(reader.counts, np.int64))
    total = int(ends[-1]) if len(ends) else 0
    for place in evenly_spread(total, min(_SAMPLES, total)).tolist() if total else []:
        part = int(np.searchsorted(ends, place, side="right"))
        yield reader.read(part, place - int(ends[part]) + int(reader.counts[part]), 1)[0]
