"""The work of a preparation in units: stretches of a source that are done apart from each other."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import clipbench_tf
from clipbench_tf.data import sources
from clipbench_tf.data.preparation.engine import output_files
from clipbench_tf.data.preparation.options import Options, differences
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.reader import Reader

WORK, PLAN, UNITS, SHARDS, FAILED = "preparation", "plan.json", "units", "shards", "failed.json"
_LEAST, _MOST, _ABOUT = 64, 2048, 64  # pairs in a unit; how many units a small source has


class Unit(NamedTuple):
    """`pairs` records of a part, from `first` on.

    `data` is 0 for the source, and 1, 2, ... for the data sets that it is compared with.
    """

    number: int
    data: int
    split: str
    part: int
    first: int
    pairs: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done in a folder.

    Attributes:
        options: what was asked for.
        output: the folder.
        unit_pairs: number of records in a unit, but for the last of a part.
    """

    options: Options
    output: str
    unit_pairs: int

    @property
    def work(self) -> str:
        """The folder of what is removed at the end."""
        return f"{self.output}/{WORK}"

    @property
    def failed(self) -> str:
        """Where a step that fails leaves its message."""
        return f"{self.work}/{FAILED}"

    def unit_file(self, number: int, extension: str) -> str:
        """A file of a unit."""
        return f"{self.work}/{UNITS}/{number:07d}.{extension}"

    def units(self) -> Iterator[Unit]:
        """All units, in the order of the source, and then of those it is compared with."""
        number = 0
        for data in range(1 + len(self.options.against)):
            for split, reader in readers(self.options, data).items():
                for part, pairs in enumerate(reader.counts):
                    for first in range(0, pairs, self.unit_pairs):
                        count = min(self.unit_pairs, pairs - first)
                        yield Unit(number, data, split, part, first, count)
                        number += 1

    @property
    def out_splits(self) -> list[str]:
        """The splits of the prepared data set, in the order of their numbers."""
        names = list(readers(self.options, 0))
        return [*names, "validation"] if self.options.validation else names


def make(options: Options, output: str) -> Plan:
    """The plan for a folder, new or as it was begun.

    Raises:
        DatasetError: if the folder holds other things, or was begun with other options or of a
            source that has changed since.
    """
    pairs = sum(reader.examples for reader in readers(options, 0).values())
    plan = Plan(options, output, max(_LEAST, min(_MOST, pairs // _ABOUT)))
    identity = {"options": options.as_json(), "state": _state(options)}
    path = f"{plan.work}/{PLAN}"
    begun = output_files.read_json(path)
    if begun is None:
        if foreign := [name for name in output_files.names(output) if name != WORK]:
            raise DatasetError(
                f"{output} is not empty and holds no data set in preparation (it has "
                f"{', '.join(foreign[:3])}); give a new folder as output."
            )
        output_files.make_folder(plan.work)
        output_files.write_json(path, identity)
    elif begun != identity:
        found = differences(begun["options"], identity["options"])
        found = found or differences(begun["state"], identity["state"])
        raise DatasetError(
            f"{output} was begun otherwise ({found}); repeat that command, remove the folder, or "
            f"give another one as output."
        )
    for folder in (UNITS, SHARDS):
        output_files.make_folder(f"{plan.work}/{folder}")
    return plan


@functools.lru_cache(maxsize=8)
def load(source: str) -> Dataset:
    """The data set, opened once in a process."""
    return sources.load(source)


def readers(options: Options, data: int) -> dict[str, Reader]:
    """What is read, by the name that a split has in the result; see `Unit.data`.

    Raises:
        DatasetError: for a split that does not exist, or to divide a source that is divided.
    """
    if data:
        found = load(options.against[data - 1])
        held_out = {name: split for name, split in found.splits.items() if name != "train"}
        return held_out or found.splits
    found = load(options.source)
    if list(found.splits) == ["all"]:
        names = options.splits or ("train",)
        if len(names) > 1 or (options.validation and "validation" in names):
            raise DatasetError(
                f"{options.source} is not divided into splits; name one, which it then has. A "
                f"share for validation is taken by the option validation."
            )
        return {names[0]: found.splits["all"]}
    if options.validation:
        raise DatasetError(
            f"{options.source} is divided already, into {', '.join(found.splits)}; leave the "
            f"option validation out."
        )
    return {name: found.split(name) for name in options.splits or found.splits}


def _state(options: Options) -> dict[str, Any]:
    """What shows that the data sets are as they were: counts, names and, of files, their times."""
    state = {"clipbench_tf": clipbench_tf.__version__}
    for data, source in enumerate([options.source, *options.against]):
        found = readers(options, data)
        seen = {
            name: [
                *zip(map(str, reader.names), map(int, reader.counts), strict=True),
                *(files.stamp(path) for path in getattr(reader, "paths", ())),
            ]
            for name, reader in found.items()
        }
        state[source] = hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]
    return state
