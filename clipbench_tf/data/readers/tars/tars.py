"""Tars of samples, as WebDataset and img2dataset write them, read in place."""

import collections
import concurrent.futures
import functools
import itertools
import os
import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from clipbench_tf.data.readers import files, index
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.index import Arrays
from clipbench_tf.data.readers.labelled.naming import named
from clipbench_tf.data.readers.options import specification
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tars import class_tars, tar_index
from clipbench_tf.data.readers.tars.tar_headers import BLOCK, Take
from clipbench_tf.data.readers.tars.tar_sample import Samples, Stretch

OPTIONS = {
    "caption": "field of the .json member that holds the caption, or several with commas",
    "image": "extension of the picture, where samples have several",
}
INDEX_BYTES = 1 << 29  # in memory at most: 17 bytes a sample, so 30 million of them
_PROBLEMS = {
    tar_index.DUPLICATE: "duplicate key",
    tar_index.LARGE: "larger than 1 GiB",
    tar_index.CUT: "truncated archive",
    tar_index.DAMAGED: "damaged archive",
}
_THREADS, _REPORT = 8, 10.0  # seconds


def open_tars(path: str, options: Mapping[str, str]) -> Dataset:
    """The tars of a path, folder, brace range or glob: one split, "all", with a part for each.

    A sample is the members that share a folder and a name up to its first dot: one picture, and
    its caption in `.txt` (all of it is one caption; further ones in `.0.txt`, `.1.txt`, ...) or in
    `.json` (text, or a list of captions). `.cls` is the number of its class. In tars of ImageNet
    (see `class_tars`) a picture is of the class that its tar or folder is called by.

    Args:
        options: some of `OPTIONS`.

    Raises:
        DatasetError: if files are missing or compressed, or for an unknown option.
    """
    source = specification(path, options)
    if unknown := [name for name in options if name not in OPTIONS]:
        known = "; ".join(f"{name}={text}" for name, text in OPTIONS.items())
        raise DatasetError(f"{source!r}: tars have no option {unknown[0]!r}. There are {known}.")
    image = options.get("image", "").lower().lstrip(".").encode()
    if image and image.rpartition(b".")[2] not in tar_index.PICTURES:
        known = ", ".join(sorted(form.decode() for form in tar_index.PICTURES))
        raise DatasetError(f"{source!r}: image must end in one of {known}.")
    if path.lower().endswith((".gz", ".tgz", ".bz2", ".xz", ".zst")):
        raise tar_index.compressed(path)
    inside = tar_names(path) if tf.io.gfile.isdir(path) else []
    paths = [f"{path.rstrip('/')}/{name}" for name in inside] or files.expand(path)
    fields = [field for field in options.get("caption", "").split(",") if field]
    common = path.rstrip("/") if inside else os.path.commonpath(paths) or path
    name = common.rpartition("/")[2].removesuffix(".tar")
    ids = class_tars.synsets(paths)
    classes, templates = named(ids, {})
    reader = TarReader(
        paths, fields=fields, image=image, classes=dict(zip(ids, classes, strict=True))
    )
    return Dataset(name, {"all": reader}, classes, templates, source, tuple(ids))


def tar_names(folder: str) -> list[str]:
    """The names of the tars in a folder, sorted."""
    return sorted(name for name in tf.io.gfile.listdir(folder) if name.lower().endswith(".tar"))


class TarReader:
    """Tars; every part is a file. A key is the name of the tar, a slash, the key of the sample.

    Tars of the same name in different folders go by their whole paths in keys.

    Args:
        paths: of the files.
        fields: of a .json member that hold captions; see `tar_sample.Samples`.
        image: extension of the picture where samples have several.
        classes: names by the tar or folder that pictures of a class lie in, in the order of labels.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        fields: Sequence[str] = (),
        image: bytes = b"",
        classes: Mapping[str, str] | None = None,
    ) -> None:
        self.paths, self._samples = tuple(paths), Samples(fields, image, classes)
        self.names = [path.rpartition("/")[2] for path in self.paths]
        unique = len(set(self.names)) == len(set(self.paths))
        self._prefixes = [
            name.removesuffix(".tar") for name in (self.names if unique else self.paths)
        ]
        self._indexes: collections.OrderedDict[int, Arrays] = collections.OrderedDict()
        self._lock, self._held = threading.Lock(), 0

    @property
    def examples(self) -> int:
        """See `Reader`."""
        return sum(self.counts)

    @functools.cached_property
    def counts(self) -> tuple[int, ...]:
        """See `Reader`. Every tar is read through once, if no run before has done so."""
        counts = []
        pool = concurrent.futures.ThreadPoolExecutor(_THREADS)
        reported = time.monotonic()
        try:
            for count in pool.map(self._count, range(len(self.paths))):
                counts.append(count)
                if time.monotonic() - reported > _REPORT:
                    reported = time.monotonic()
                    logging.info("Looked through %d of %d tars.", len(counts), len(self.paths))
        finally:
            pool.shutdown(cancel_futures=True)
        if not sum(counts):
            raise DatasetError(
                f"There are no samples in {len(self.paths)} tars, first {self.paths[0]}: it needs "
                f"pictures with captions of the same name, as in 0001.jpg and 0001.txt."
            )
        return tuple(counts)

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """See `Reader`."""
        known = self._index(part)
        states = known["state"][first : first + count].tolist()
        if len(states) < count:
            raise DatasetError(f"{self.paths[part]} has changed since the run began: start anew.")
        wanted = _spans(known, first, states)
        stretches = iter(_read_near(self.paths[part], list(itertools.chain(*wanted))))
        pairs = (
            self._pair(part, state, list(itertools.islice(stretches, len(spans))))
            for state, spans in zip(states, wanted, strict=True)
        )
        return [pair.serialize() for pair in pairs]

    def _pair(self, part: int, state: int, stretches: Sequence[Stretch]) -> Pair:
        if state < tar_index.OTHER:
            in_json = state == tar_index.WITH_JSON
            return self._samples.plain(self._prefixes[part], stretches, in_json)
        return self._samples.other(self._prefixes[part], stretches, _PROBLEMS.get(state, ""))

    def _count(self, part: int) -> int:
        return len(self._index(part)["state"])

    def _index(self, part: int) -> Arrays:
        """See `tar_index.build`; those of the tars read last are held."""
        with self._lock:
            if part in self._indexes:
                self._indexes.move_to_end(part)
                return self._indexes[part]
        path = self.paths[part]
        picture, json = self._samples.picture, bool(self._samples.fields)
        kind = f"tar 1 {picture.decode()} {json}"
        found = index.kept(path, kind, lambda: tar_index.build(path, picture, json))
        with self._lock:
            self._held += 0 if part in self._indexes else _bytes_in(found)
            self._indexes[part] = found
            while self._held > INDEX_BYTES and len(self._indexes) > 1:
                self._held -= _bytes_in(self._indexes.popitem(last=False)[1])
        return found


def _bytes_in(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())


def _spans(known: Arrays, first: int, states: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Of each sample from `first` on, where what is needed of it starts and stops."""
    low, high = np.searchsorted(known["other"], [first, first + len(states)]).tolist()
    edges = known["first"][low : high + 1].tolist()
    blocks = known["stretch"][edges[0] : edges[-1]].tolist()
    others = itertools.pairwise(edges)
    spans = []
    rows = known["member"][first : first + len(states)].tolist()
    for state, (picture, length, caption, size) in zip(states, rows, strict=True):
        if state < tar_index.OTHER:
            start, begin = (picture - 1) * BLOCK, caption * BLOCK
            spans.append([(start, start + BLOCK + length), (begin, begin + size)])
        else:
            begin, end = next(others)
            inside = blocks[begin - edges[0] : end - edges[0]]
            spans.append([(block * BLOCK, (block + more) * BLOCK) for block, more in inside])
    return spans


def _read_near(path: str, spans: Sequence[tuple[int, int]]) -> list[Stretch]:
    """Reads spans of a file, neighbours at once."""
    groups: list[list[int]] = []
    reach = 0
    for number in sorted(range(len(spans)), key=spans.__getitem__):
        start, stop = spans[number]
        if not groups or start - reach > tar_index.NEAR:
            groups.append([])
            reach = stop
        groups[-1].append(number)
        reach = max(reach, stop)
    takes: dict[int, Take] = {}
    for group in groups:
        stop = max(spans[number][1] for number in group)
        takes |= dict.fromkeys(group, _stretch(path, spans[group[0]][0], stop))
    return [Stretch(*span, takes[number]) for number, span in enumerate(spans)]


def _stretch(path: str, start: int, stop: int) -> Take:
    data = files.read(path, start, stop - start)

    def take(at: int, length: int) -> bytes:
        return data[at - start : at - start + length]

    return take
