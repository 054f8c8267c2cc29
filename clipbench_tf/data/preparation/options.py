"""What a prepared data set is made of, and how: all that decides its bytes."""

import dataclasses
import re
from typing import Any

from clipbench_tf.data.preparation.filters import CaptionRules, make_filter
from clipbench_tf.data.readers.dataset import DatasetError

# What makes a pair a duplicate, in the order in which they are dropped.
KINDS = ("key", "across", "picture", "caption:N")
DEFAULT_KINDS = ("key", "across", "picture")


@dataclasses.dataclass(frozen=True)
class Options:
    """What to prepare, and how.

    Attributes:
        source: of `sources.load`.
        splits: those to prepare; all if none is named. Of a source that is not divided, one name,
            which its split then has; by default "train".
        validation: of a source that is not divided, the share of its pictures that becomes a split
            "validation", drawn by a hash of their bytes, so that equal ones fall on one side.
        filter: of captions, see `make_filter`.
        size: largest shorter side of a picture in pixels; None keeps all as they are.
        smallest: least shorter side of a picture in pixels.
        drop_duplicates: kinds of `KINDS`. Of pairs of a split with the same key, or the same bytes
            of their picture, the first stays; "across" drops pairs of "train" whose picture is in
            another split too; "caption:N" keeps N pairs of a split with the same captions.
        against: data sets for evaluation; pairs whose picture is in one of them drop out. Of their
            splits, "train" does not count, unless there is no other.
        shard_pairs: about as many pairs are in a shard.
        statistics: whether the captions are counted, as in Table 2 (see `CaptionStatistics`).
    """

    source: str
    splits: tuple[str, ...] = ()
    validation: float = 0.0
    filter: str = "none"
    size: int | None = None
    smallest: int = 16
    drop_duplicates: tuple[str, ...] = DEFAULT_KINDS
    against: tuple[str, ...] = ()
    shard_pairs: int = 8192
    statistics: bool = True

    def __post_init__(self) -> None:
        make_filter(self.filter)
        if not 0.0 <= self.validation < 1.0:
            raise DatasetError(
                f"validation={self.validation} is the share of the pictures that becomes a split "
                f"of its own; give 0.02, say."
            )
        for kind in self.drop_duplicates:
            if kind not in KINDS[:3] and not re.fullmatch(r"caption:[1-9]\d*", kind):
                raise DatasetError(
                    f"There are no duplicates of kind {kind!r}; give some of {', '.join(KINDS)}."
                )
        for name, least in (("size", 16), ("smallest", 1), ("shard_pairs", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise DatasetError(f"{name}={value}; give {least} or more.")
        if self.size is not None and self.size < self.smallest:
            raise DatasetError(
                f"size={self.size} is below smallest={self.smallest}: pictures would be made "
                f"smaller than those that are dropped; correct one."
            )

    @property
    def rules(self) -> CaptionRules:
        """The filter of captions."""
        return make_filter(self.filter)

    @property
    def caption_limit(self) -> int | None:
        """How many pairs of a split may have the same captions; None for any number."""
        limits = [int(kind[8:]) for kind in self.drop_duplicates if kind.startswith("caption:")]
        return min(limits, default=None)

    def as_json(self) -> dict[str, Any]:
        """The options as JSON has them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }


def differences(there: dict[str, Any], now: dict[str, Any]) -> str:
    """Where two sets of options differ, as "size: 256 there, 224 now; ..."; "" if nowhere."""
    return "; ".join(
        f"{name}: {there.get(name)!r} there, {now.get(name)!r} now"
        for name in dict.fromkeys([*there, *now])
        if there.get(name) != now.get(name)
    )
