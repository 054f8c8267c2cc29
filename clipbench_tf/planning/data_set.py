"""How many pairs a recipe's data set has, whether or not it is on this machine."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from clipbench_tf.data import sources


@dataclasses.dataclass(frozen=True)
class Pairs:
    """What a plan needs to know of a data set.

    Attributes:
        examples: pairs in the training split.
        source: where that number comes from, for the report.
        caption_tokens: mean number of tokens in a caption, or None if unknown.
    """

    examples: int
    source: str
    caption_tokens: float | None = None


_TABLE_2 = "the paper's Table 2, as the data set is not here"
# Examples and caption length (in words, taken for tokens) by Table 2 of Cui et al. 2022.
KNOWN = {
    "yfcc15m_v1": Pairs(14_747_529, _TABLE_2, 26.1),
    "yfcc15m_v2": Pairs(15_388_848, _TABLE_2, 16.7),
}


def pairs(dataset: str | Mapping[str, int], split: str, examples: int | None = None) -> Pairs:
    """The pairs in `split` of `dataset`, in one of the forms of `sources.load`.

    The number is that of `dataset.json`, whose shards may be missing, or else what is counted in
    the data, or that of `KNOWN`.

    Args:
        examples: the number to plan with instead.

    Raises:
        DatasetError: if the number is unknown; the message names the flag that gives it.
    """
    name = Path(dataset).name if isinstance(dataset, str) else "mixture"
    tokens = KNOWN[name].caption_tokens if name in KNOWN else None
    if examples is not None:
        if examples < 1:
            raise sources.DatasetError(f"--examples is {examples}; it must be at least 1.")
        return Pairs(examples, "--examples", tokens)
    for folder in (sources.EMBEDDED / dataset, Path(dataset)) if isinstance(dataset, str) else ():
        description = folder / "dataset.json"
        if description.is_file():
            return Pairs(_described(description, split), "dataset.json", tokens)
    try:
        return Pairs(sources.load(dataset).split(split).examples, "the data", tokens)
    except sources.DatasetError as error:
        if name in KNOWN:
            return KNOWN[name]
        raise sources.DatasetError(
            f"{error} To plan without the data, give the number of its pairs as --examples; only "
            f"the sizes of {', '.join(KNOWN)} are known."
        ) from error


def stand_in(folder: Path, splits: dict[str, int]) -> str:
    """Writes a `dataset.json` without shards to `folder`, enough to build a pipeline from."""
    folder.mkdir(parents=True)
    fields = {
        "name": folder.name,
        "classes": ["class", "other"],
        "splits": {name: {"files": [], "examples": count} for name, count in splits.items()},
    }
    (folder / "dataset.json").write_text(json.dumps(fields), encoding="utf-8")
    return str(folder)


def _described(description: Path, split: str) -> int:
    try:
        splits = json.loads(description.read_text(encoding="utf-8"))["splits"]
        if split in splits:
            return int(splits[split]["examples"])
    except (ValueError, KeyError, TypeError) as error:
        raise sources.DatasetError(
            f"{description} is no description of a data set: {error!r}."
        ) from error
    raise sources.DatasetError(f"{description} has no split {split!r}; it has {', '.join(splits)}.")
