"""The record of one row of a suite with one seed: what tables, plots and the page are made of."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbench_tf import record

Level = str | int | float  # of a factor: "CLIP", "ViT-B/32", 12
FORMAT = 1
RECORDS = Path(__file__).with_name("records")  # the committed ones, a folder for each suite


class RecordError(ValueError):
    """A file is no record, or records do not fit together; the message has the remedy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuiteFacts:
    """What a suite says of itself, in each of its records.

    Attributes:
        name: of the suite, as in --suite.
        scale: as in --scale.
        title: what is compared, for people.
        factors: names of what rows differ in, in the order of the levels in a row.
        baselines: level by factor that the other levels of the factor are compared with.
        touches: parameters by factor that rows may differ in (see `fairness`).
    """

    name: str
    scale: str
    title: str
    factors: tuple[str, ...]
    baselines: Mapping[str, Level]
    touches: Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One trained row with one seed.

    Attributes:
        suite: to which it belongs.
        row: its level of each factor.
        place: of the row in the suite, from 0.
        seed: of weights, order and augmentation.
        key: SHA-256 of what was bound, seed and all; runs with one key give the same result.
        config: the operative configuration of the run, as gin text.
        flops: floating-point operations of the whole training, by the planner's model.
        curve: of some steps, {"step", "loss", and accuracies where there are any}.
        run: the run's own record.json.
    """

    suite: SuiteFacts
    row: tuple[Level, ...]
    place: int
    seed: int
    key: str
    config: str
    flops: float
    curve: Sequence[Mapping[str, float]]
    run: Mapping[str, Any]

    @property
    def levels(self) -> dict[str, Level]:
        """The row's level by factor."""
        return dict(zip(self.suite.factors, self.row, strict=True))

    @property
    def label(self) -> str:
        """The row for people, as in "CLIP, ViT-B/32, seed 0"."""
        return f"{row_label(self.row)}, seed {self.seed}"

    def value(self, metric: str, split: str) -> float:
        """A number of the run's results, such as "top1", in 0..1.

        Raises:
            RecordError: if it is not there.
        """
        for result in self.run["results"]:
            if result["split"] == split and metric in result:
                return float(result[metric])
        raise RecordError(
            f"The record of {self.label} has no {metric} of split {split}; train that row again."
        )

    def write(self, path: Path) -> None:
        """Writes it as JSON, whole or not at all."""
        record.write({"format": FORMAT, **dataclasses.asdict(self)}, path)


def row_label(row: Sequence[Level]) -> str:
    """A row for people."""
    return ", ".join(map(str, row))


def read(path: Path) -> Entry:
    """The record in the file `path`.

    Raises:
        RecordError: if it cannot be read, or is none of a suite.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("of another format")
        facts = content.pop("suite")
        facts["factors"] = tuple(facts["factors"])
        facts["touches"] = {name: tuple(some) for name, some in facts["touches"].items()}
        content["row"] = tuple(content["row"])
        entry = Entry(suite=SuiteFacts(**facts), **content)
        if len(entry.row) != len(entry.suite.factors):
            raise ValueError("as many levels as factors are needed")
        return entry
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{path} is no record of a suite ({error!r}); give the records that "
            f"scripts/run_suite.py leaves."
        ) from error


def read_all(places: Sequence[Path]) -> dict[str, list[Entry]]:
    """The records in `places`, files or folders with whatever folders in them, by suite and scale.

    The key is the name of the suite, and the scale where it is not the embedded one.

    Raises:
        RecordError: if a place has none, or a file is none.
    """
    found: dict[str, list[Entry]] = {}
    for place in places:
        files = sorted(place.rglob("*.json")) if place.is_dir() else [place]
        if not files:
            raise RecordError(f"{place} holds no records; scripts/run_suite.py makes some.")
        for file in files:
            entry = read(file)
            scale = "" if entry.suite.scale == "emoji" else f" ({entry.suite.scale})"
            found.setdefault(f"{entry.suite.name}{scale}", []).append(entry)
    return found
