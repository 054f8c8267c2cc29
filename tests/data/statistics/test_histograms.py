"""Pictures of histograms, read back pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipbench_tf.data.statistics import histograms
from clipbench_tf.data.statistics.caption_statistics import CaptionStatistics, CaptionSummary

BAR, MARK = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def summary(lengths: dict[int, int], word: str = "word") -> CaptionSummary:
    statistics = CaptionStatistics()
    for length, count in lengths.items():
        for _ in range(count):
            statistics.add(f"{word} " * length)
    return statistics.result()


def blue_columns(path: Path) -> np.ndarray:
    """How many blue pixels each column has."""
    return (np.asarray(Image.open(path)) == BAR).all(axis=2).sum(axis=0)


def plateaus(columns: np.ndarray) -> list[int]:
    """The heights of the bars, from left to right; 0 where they have gaps is left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], columns > 0, [0]])))
    return [int(np.median(columns[a:b])) for a, b in edges.reshape(-1, 2) if b - a > 4]


def test_bars_are_as_high_as_captions_are_many(tmp_path: Path) -> None:
    histograms.write_lengths(tmp_path / "a.png", {"set": summary({1: 10, 2: 40, 3: 20, 5: 30})})
    heights = plateaus(blue_columns(tmp_path / "a.png"))
    assert len(heights) == 5  # the bar of 2 or of 3 words is cut by the line of the mean, at 2.9
    whole = sorted({*heights}, reverse=True)
    np.testing.assert_allclose(np.array(whole) / whole[0], [1, 0.75, 0.5, 0.25], atol=0.01)
    assert (np.asarray(Image.open(tmp_path / "a.png")) == MARK).all(axis=2).any()


def test_longer_captions_than_most_share_the_last_bar(tmp_path: Path) -> None:
    lengths = {2: 500, 4: 490, 900: 4, 7000: 6}
    histograms.write_lengths(tmp_path / "a.png", {"set": summary(lengths)})
    few = plateaus(blue_columns(tmp_path / "a.png"))
    histograms.write_lengths(tmp_path / "b.png", {"set": summary({2: 500, 4: 490, 5: 10})})
    assert few == plateaus(blue_columns(tmp_path / "b.png"))
    assert len(few) >= 3


def test_panels_have_the_same_scale_and_do_not_hide_each_other(tmp_path: Path) -> None:
    one, other = summary({2: 10}), summary({2: 5, 30: 5})
    histograms.write_lengths(tmp_path / "a.png", {"one": one, "other": other})
    pixels = (np.asarray(Image.open(tmp_path / "a.png")) == BAR).all(axis=2)
    upper, lower = np.array_split(pixels, 2)
    assert upper.any(axis=1).sum() == pytest.approx(2 * lower.any(axis=1).sum(), abs=3)


def test_words_have_bars_in_the_order_of_their_number(tmp_path: Path) -> None:
    statistics = CaptionStatistics()
    statistics.add("dog " * 60 + "caf\u00e9 " * 30 + "\u732b " * 10)
    histograms.write_words(tmp_path / "a.png", {"set": statistics.result()})
    rows = (np.asarray(Image.open(tmp_path / "a.png")) == BAR).all(axis=2).sum(axis=1)
    lengths = plateaus(rows)
    np.testing.assert_allclose(np.array(lengths) / lengths[0], [1, 0.5, 1 / 6], atol=0.01)


@pytest.mark.parametrize(
    "lengths", [{}, {0: 3}, {1: 1}, {5000: 2}, dict.fromkeys(range(0, 3000, 7), 1)]
)
def test_odd_sets_are_drawn_too(tmp_path: Path, lengths: dict[int, int]) -> None:
    name = "\u732b" * 40 + "\x00"
    drawn = {name: summary(lengths, "\u05db\u05dc\u05d1" * 30), "b": summary({})}
    histograms.write_lengths(tmp_path / "a.png", drawn)
    histograms.write_words(tmp_path / "b.png", drawn)
    for file in ("a.png", "b.png"):
        assert Image.open(tmp_path / file).width == 1520


def test_words_of_other_scripts_are_written_by_number() -> None:
    assert histograms._drawable("caf\u00e9 \u304c") == "cafe \\u304c"
    assert histograms._drawable("x" * 24) == "x" * 24
    assert histograms._drawable("x" * 25) == "x" * 21 + "..."


@pytest.mark.parametrize(
    ("value", "ticks"),
    [
        (0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (19.4, [0, 5, 10, 15, 20]),
        (20, [0, 5, 10, 15, 20]),
        (0.021, [0, 0.01, 0.02, 0.03]),
        (91, [0, 20, 40, 60, 80, 100]),
    ],
)
def test_axes_end_at_the_next_round_number(value: float, ticks: list[float]) -> None:
    np.testing.assert_allclose(histograms._ticks(value), ticks, rtol=1e-12)
