"""Tars to read, written with Python's tarfile."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tars.tars import open_tars

Files = Iterable[tuple[str, bytes | str | tarfile.TarInfo]]


def write(path: Path, files: Files, form: int = tarfile.GNU_FORMAT) -> Path:
    """Writes members (name, content); text as UTF-8, a TarInfo as it is, without content."""
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in files:
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                tar.addfile(content)
                continue
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def samples(count: int) -> list[tuple[str, bytes]]:
    """`0000.jpg`, `0000.json`, `0000.txt` and so on, of many lengths, as img2dataset has them."""
    files = []
    for number in range(count):
        files += [
            (f"{number:04}.jpg", bytes([number % 251]) * (1 + 397 * number % 2011)),
            (f"{number:04}.json", b'{"caption": "json %d", "key": "%04d"}' % (number, number)),
            (f"{number:04}.txt", b"text %d" % number),
        ]
    return files


def pairs(path: Path | str, run: int = 3, **options: str) -> list[Pair]:
    """All pairs of tars, read in runs of `run`."""
    reader = open_tars(str(path), options).split("train")
    records = [
        record
        for part, count in enumerate(reader.counts)
        for first in range(0, count, run)
        for record in reader.read(part, first, min(run, count - first))
    ]
    assert len(records) == reader.examples
    return [Pair.of(record) for record in records]


def outcomes(path: Path | str, **options: str) -> dict[str, str]:
    """By key, the problem of each pair, or its captions. Keys come without the tar's name."""
    found = {}
    for pair in pairs(path, **options):
        key = pair.key.partition("/")[2]
        assert (key, pair.problem) not in found
        assert bool(pair.problem) == (pair.image == b"")
        found[key] = pair.problem or "|".join(pair.captions)
    return found
