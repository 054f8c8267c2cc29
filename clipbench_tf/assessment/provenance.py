"""What a result was made from: checksums that tell whether it would come out the same again."""

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np

from clipbench_tf import record
from clipbench_tf.assessment.loaded_model import LoadedModel
from clipbench_tf.assessment.task import Task
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.reader import Reader
from clipbench_tf.data.selection import evenly_spread
from clipbench_tf.data.sources import Dataset

FORMAT = 1  # of the record; another number makes all be evaluated anew
_SAMPLES = 64  # records of a split that are read
_MANIFEST = "manifest.json"  # what `data.preparation` leaves, with checksums of the shards


@runtime_checkable
class FiledReader(Protocol):
    """A reader that tells which files it reads."""

    paths: Sequence[str]


def inputs(model: LoadedModel, dataset: Dataset, task: Task) -> dict[str, Any]:
    """All that decides a result, by name: checksums, and the options of the task.

    Raises:
        DatasetError, OSError: if the data set or the model cannot be read.
    """
    own = task.inputs(dataset)
    data = data_checksum(dataset, own["splits"])
    common = {"format": FORMAT, "task": task.name, "model": model.checksum, "data": data}
    return json.loads(json.dumps(common | own))


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names of the inputs that are not the same, for people."""
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    return [name.replace("_", " ") for name in names]


def facts(
    model: LoadedModel,
    dataset: Dataset,
    task: Task,
    *,
    inputs: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    seconds: float,
    resumed: bool,
) -> dict[str, Any]:
    """The record of an evaluation, but for what it printed and the files that it left.

    Args:
        model: that was evaluated.
        dataset: on which.
        task: of which kind.
        inputs: what `inputs` returned.
        results: of the task.
        seconds: that it took since the last start.
        resumed: whether some of it was done before that.
    """
    splits = {split: dataset.split(split) for split in inputs["splits"]}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "model": model.label,
        "method": model.card["method"],
        "scorer": model.card["scorer"],
        "dataset": dataset.name,
        **task.facts(dataset),
        "results": list(results),
        "inputs": dict(inputs),
        "source": dataset.source,
        "records": {split: int(sum(reader.counts)) for split, reader in splits.items()},
        "date": now.replace("+00:00", "Z"),
        "wall_time_seconds": round(seconds, 1),
        "devices": model.device_names,
        **({"resumed": True} if resumed else {}),
        **record.environment(),
    }


def texts_checksum(texts: Sequence[str]) -> str:
    """SHA-256 of class names or prompts, in their order."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def data_checksum(dataset: Dataset, splits: Sequence[str]) -> str:
    """SHA-256 of what is soon known of the data in `splits`.

    It sees the number of records in each part and the names of the parts; names and sizes of the
    files, where the reader says which they are (`FiledReader`); the manifest that preparation
    leaves beside its shards, and so every byte of them; and 64 records of each split, at equal
    distances, with all that is in them. It does not see a change in a file without a manifest that
    leaves its size as it was and touches none of those records. Where files lie does not count.

    Raises:
        DatasetError, OSError: if the data set cannot be read.
    """
    digest = hashlib.sha256()
    for split in splits:
        reader = dataset.split(split)
        parts = [list(reader.names), list(map(int, reader.counts)), _sizes(reader)]
        digest.update(json.dumps([split, *parts]).encode())
        for content in (*_manifest(reader), *_sample(reader)):
            digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _sizes(reader: Reader) -> list[tuple[str, int]]:
    """Name and size of each of the reader's files."""
    if not isinstance(reader, FiledReader):
        return []
    with ThreadPoolExecutor(16) as pool:  # in a bucket, each takes a while
        sizes = list(pool.map(files.size, reader.paths))
    return [(path.rpartition("/")[2], size) for path, size in zip(reader.paths, sizes, strict=True)]


def _manifest(reader: Reader) -> Iterator[bytes]:
    if isinstance(reader, FiledReader) and reader.paths:
        path = f"{reader.paths[0].rpartition('/')[0]}/{_MANIFEST}"
        if files.exists(path):
            yield files.read(path)


def _sample(reader: Reader) -> Iterator[bytes]:
    ends = np.cumsum(np.asarray(reader.counts, np.int64))
    total = int(ends[-1]) if len(ends) else 0
    for place in evenly_spread(total, min(_SAMPLES, total)).tolist() if total else []:
        part = int(np.searchsorted(ends, place, side="right"))
        yield reader.read(part, place - int(ends[part]) + int(reader.counts[part]), 1)[0]
