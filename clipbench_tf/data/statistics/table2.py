"""Table 2 of the paper, with rows of our own."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from clipbench_tf.data.statistics.caption_statistics import CaptionSummary

_HEAD = ("Dataset", "Examples", "Caption length", "En-word ratio", "Unique tokens")
NOTE = (
    "Caption length: words, mean ± standard deviation. En-word ratio: mean over captions. "
    "Unique tokens: words. The paper does not say what its words and its dictionary are."
)


class Row(NamedTuple):
    """A row of the table; lengths in words."""

    dataset: str
    examples: int
    mean_length: float
    std_length: float
    english_ratio: float
    unique_tokens: int


# Cui et al., "Democratizing Contrastive Language-Image Pre-training" (arXiv 2203.05796), Table 2.
PAPER = (
    Row("YFCC15M-V2 (paper)", 15_388_848, 16.7, 29.2, 0.92, 770_996),
    Row("YFCC15M-V1 (paper)", 14_747_529, 26.1, 69.6, 0.72, 8_262_556),
)


def row(name: str, summary: CaptionSummary) -> Row:
    """The row of a data set called `name`."""
    return Row(
        dataset=name,
        examples=summary.examples,
        mean_length=summary.mean_length,
        std_length=summary.std_length,
        english_ratio=summary.english_ratio,
        unique_tokens=summary.unique_words,
    )


def markdown(summaries: Mapping[str, CaptionSummary]) -> str:
    """The Markdown table: a row for each of `summaries`, by name, then the paper's two rows."""
    rows = [*(row(name, summary) for name, summary in summaries.items()), *PAPER]
    lines = [_line(_HEAD), _line(["---", *["---:"] * (len(_HEAD) - 1)])]
    return "\n".join([*lines, *(_line(_cells(one)) for one in rows)])


def _cells(one: Row) -> list[str]:
    return [
        one.dataset.replace("|", "\\|"),
        f"{one.examples:,}",
        f"{one.mean_length:.1f}±{one.std_length:.1f}",
        f"{one.english_ratio:.2f}",
        f"{one.unique_tokens:,}",
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
