"""The result of retrieval on one split, as numbers, as a record and as a line."""

import dataclasses

import numpy as np

from clipbench_tf.evaluation import accuracy
from clipbench_tf.evaluation.retrieval.ranks import Ranks

TOP = (1, 5, 10)
RULE = (
    "Repeated pictures and repeated captions are one item each; a query finds if any of its right "
    "items is among the first k; ties count in expectation."
)


@dataclasses.dataclass(frozen=True)
class RetrievalResult:
    """Retrieval among the N distinct pictures and M distinct captions of a split.

    Attributes:
        split: its name.
        records: number of records read.
        places: int64 [N], the number in the split of the first record of each picture.
        captions: the M captions, cleaned.
        caption_count: captions with a picture, repeated ones included.
        corrupt: records left out because their picture cannot be read or decoded.
        uncaptioned: records left out because they have no caption.
        image_to_text: ranks of captions, a query for each picture, in the order of `places`.
        text_to_image: ranks of pictures, a query for each caption, in the order of `captions`.
    """

    split: str
    records: int
    places: np.ndarray
    captions: tuple[str, ...]
    caption_count: int
    corrupt: int
    uncaptioned: int
    image_to_text: Ranks
    text_to_image: Ranks

    def directions(self) -> dict[str, Ranks]:
        """The ranks by name: "image_to_text", "text_to_image"."""
        return {"image_to_text": self.image_to_text, "text_to_image": self.text_to_image}

    def record(self) -> dict:
        """Counts and recalls for a JSON record; fractions in 0..1, 95% intervals."""
        fields: dict = {"split": self.split, "records": self.records}
        fields |= {"pictures": len(self.places), "captions": self.caption_count}
        fields |= {"distinct_captions": len(self.captions)}
        fields |= {"corrupt": self.corrupt, "uncaptioned": self.uncaptioned, "rule": RULE}
        for name, ranks in self.directions().items():
            chance = ranks.by_chance()
            for k in TOP:
                value = ranks.recall(k)
                fields[f"{name}_r{k}"] = value
                fields[f"{name}_r{k}_interval"] = accuracy.wilson(value, len(ranks.own))
                fields[f"{name}_r{k}_chance"] = chance.recall(k)
            fields[f"{name}_median_rank"] = ranks.median()
            fields[f"{name}_median_rank_chance"] = chance.median()
        return fields

    def line(self) -> str:
        """One line of text: recalls and median ranks of both directions, and counts."""
        parts = []
        for name, ranks in self.directions().items():
            low, high = accuracy.wilson(ranks.recall(1), len(ranks.own))
            others = ", ".join(f"R@{k} {ranks.recall(k):.1%}" for k in TOP[1:])
            parts.append(
                f"{name.replace('_', ' ')} R@1 {ranks.recall(1):.1%} (95% interval {low:.1%} to "
                f"{high:.1%}, chance {ranks.by_chance().recall(1):.2%}), {others}, median rank "
                f"{ranks.median():g}"
            )
        left = {"corrupt": self.corrupt, "without caption": self.uncaptioned}
        out = "".join(f", {count} {name} left out" for name, count in left.items() if count)
        return (
            f"{self.split}: {'; '.join(parts)}; {len(self.places)} pictures and "
            f"{len(self.captions)} captions{out}"
        )
