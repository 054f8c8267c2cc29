"""Pictures of the statistics of captions: how long they are, and which words are frequent."""

import itertools
import math
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from clipbench_tf.data.statistics.caption_statistics import CaptionSummary

# Blue and vermilion of Okabe and Ito's palette, told apart by the colour-blind too.
_BAR, _MARK = "#0072b2", "#d55e00"
_INK, _GREY, _GRID, _PAPER = "#1c1c1c", "#5a5a5a", "#dcdcdc", "#ffffff"
_SCALE = 2  # pixels for each unit of length below, so that text is sharp on dense screens
_WIDTH, _MARGIN = 760, 16
_PLOT, _PANEL = 180, 308  # heights of the bars' area and of a panel of lengths
_ROW, _WORD = 19, 190  # height of a word's row, width of the words
_SHARE = 0.98  # of the captions have a bar for their length; longer ones share the last one
_PARTS = {1: 5, 2: 4, 3: 3, 4: 4, 5: 5, 6: 6, 8: 4}  # where an axis can end -> its parts


def write_lengths(path: Path, summaries: Mapping[str, CaptionSummary]) -> None:
    """Draws a histogram of caption lengths for each of `summaries`, by name, into a PNG.

    The panels have the same axes: words of a caption, and percent of the captions. A bar holds the
    captions of `step` lengths, the last one all that are longer; a line marks the mean.
    """
    longest = max(_quantile(summary.lengths, _SHARE) for summary in summaries.values())
    step = max(1, math.ceil((longest + 1) / 40))
    count = longest // step + 2  # bars, with the last one
    bars = {name: _bars(one, step, count) for name, one in summaries.items()}
    ticks = _ticks(max(itertools.chain(*bars.values())))
    sheet, draw = _sheet(len(summaries) * _PANEL)
    for number, (name, summary) in enumerate(summaries.items()):
        heading = (
            f"{summary.captions:,} captions; mean {summary.mean_length:.1f} words, standard "
            f"deviation {summary.std_length:.1f}"
        )
        y = _MARGIN + number * _PANEL
        _heading(draw, y, name, heading)
        _length_panel(draw, y + 68, bars[name], step, ticks, summary.mean_length)
    sheet.save(path)


def write_words(path: Path, summaries: Mapping[str, CaptionSummary], *, count: int = 30) -> None:
    """Draws how often the `count` most frequent words occur in each of `summaries` into a PNG."""
    rows = {name: summary.frequent[:count] for name, summary in summaries.items()}
    shares = [n / summaries[name].words for name, row in rows.items() for _, n in row]
    ticks = _ticks(1000 * max(shares, default=0.001))
    sheet, draw = _sheet(sum(len(row) * _ROW + 110 for row in rows.values()))
    y = _MARGIN
    for name, row in rows.items():
        summary = summaries[name]
        heading = f"{summary.unique_words:,} unique words among {summary.words:,}"
        _heading(draw, y, name, heading)
        shares = [1000 * n / summary.words for _, n in row]
        _word_panel(draw, y + 48, [word for word, _ in row], shares, ticks)
        y += len(row) * _ROW + 110
    sheet.save(path)


def _length_panel(
    draw: "_Draw", y: float, bars: list[float], step: int, ticks: list[float], mean: float
) -> None:
    left, right = _MARGIN + 62, _WIDTH - _MARGIN
    bottom, width = y + _PLOT, (right - left) / len(bars)
    for tick in ticks:
        level = bottom - tick / ticks[-1] * _PLOT
        draw.line((left, level, right, level), _GRID)
        draw.text((left - 8, level), f"{tick:g}%", _GREY, "rm")
    for number, share in enumerate(bars):
        x = left + number * width
        draw.box((x + 0.5, bottom - share / ticks[-1] * _PLOT, x + width - 0.5, bottom), _BAR)
    every = 5 * max(1, round(len(bars) / 40))
    for number in range(0, len(bars), every):
        x = left + (number + 0.5) * width
        if x < right - 120:  # where the last bar's label begins
            draw.text((x, bottom + 6), _span(number, step), _GREY, "ma")
    draw.text((right, bottom + 6), f"{(len(bars) - 1) * step} or more", _GREY, "ra")
    x = left + min(mean / step + 0.5 / step, len(bars)) * width
    draw.line((x, y, x, bottom), _MARK, 1.5)
    draw.text((x, y - 4), "mean", _MARK, "mb")
    draw.line((left, bottom, right, bottom), _INK)
    draw.text(((left + right) / 2, bottom + 26), "words of a caption", _INK, "ma")
    draw.text((_MARGIN, y - 20), "share of the captions", _INK, "lb")


def _word_panel(
    draw: "_Draw", y: float, words: list[str], shares: list[float], ticks: list[float]
) -> None:
    left, right = _MARGIN + _WORD, _WIDTH - _MARGIN - 60
    bottom = y + len(words) * _ROW
    for tick in ticks:
        x = left + tick / ticks[-1] * (right - left)
        draw.line((x, y, x, bottom), _GRID)
        draw.text((x, bottom + 6), f"{tick:g}", _GREY, "ma")
    for number, (word, share) in enumerate(zip(words, shares, strict=True)):
        middle = y + (number + 0.5) * _ROW
        end = left + share / ticks[-1] * (right - left)
        draw.box((left, middle - 7, end, middle + 7), _BAR)
        draw.text((left - 8, middle), _drawable(word), _INK, "rm")
        draw.text((end + 6, middle), f"{share:.1f}" if share >= 1 else f"{share:.2g}", _GREY, "lm")
    draw.line((left, y, left, bottom), _INK)
    draw.text(((left + right) / 2, bottom + 26), "occurrences per 1,000 words", _INK, "ma")


class _Draw:
    """Draws on a picture in units of `_SCALE` pixels."""

    def __init__(self, picture: Image.Image) -> None:
        self._draw = ImageDraw.Draw(picture)

    def line(self, ends: tuple[float, ...], colour: str, width: float = 0.5) -> None:
        self._draw.line(_scaled(ends), fill=colour, width=round(width * _SCALE))

    def box(self, corners: tuple[float, ...], colour: str) -> None:
        left, top, right, bottom = _scaled(corners)
        if bottom > top and right > left:
            self._draw.rectangle((left, top, right - 1, bottom - 1), fill=colour)

    def text(
        self, place: tuple[float, float], text: str, colour: str, anchor: str, size: int = 12
    ) -> None:
        font = ImageFont.load_default(size * _SCALE)
        x, y = _scaled(place)
        self._draw.text((x, y), text, fill=colour, font=font, anchor=anchor)


def _scaled(numbers: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(round(number * _SCALE) for number in numbers)


def _sheet(height: int) -> tuple[Image.Image, _Draw]:
    size = (_WIDTH * _SCALE, (height + 2 * _MARGIN) * _SCALE)
    sheet = Image.new("RGB", size, _PAPER)
    return sheet, _Draw(sheet)


def _heading(draw: _Draw, y: float, name: str, text: str) -> None:
    draw.text((_MARGIN, y), _drawable(name), _INK, "la", 16)
    draw.text((_WIDTH - _MARGIN, y + 3), text, _GREY, "ra")


def _bars(summary: CaptionSummary, step: int, count: int) -> list[float]:
    """Percent of the captions by length: `step` lengths a bar, the last of `count` for the rest."""
    bars = [0.0] * count
    for length, number in summary.lengths.items():
        bars[min(length // step, count - 1)] += 100 * number / summary.captions
    return bars


def _quantile(lengths: Mapping[int, int], share: float) -> int:
    """The least length that at least `share` of the captions do not exceed; 0 without captions."""
    total, below = sum(lengths.values()), 0
    for length, number in sorted(lengths.items()):
        below += number
        if below >= share * total:
            return length
    return 0


def _ticks(value: float) -> list[float]:
    """Places along an axis, from 0 to the next round number from `value` on."""
    power = 10.0 ** math.floor(math.log10(value or 1.0))
    end = next(n for n in (*_PARTS, 10) if power * n >= value * (1 - 1e-9))
    parts = _PARTS.get(end, 5)
    return [power * end * number / parts for number in range(parts + 1)]


def _span(number: int, step: int) -> str:
    return str(number) if step == 1 else f"{number * step} to {(number + 1) * step - 1}"


def _drawable(text: str) -> str:
    """`text` in ASCII, all that the built-in font can draw, with at most 24 characters.

    Letters lose their accents, and those of other scripts are written by number, as in Python.
    """
    letters = [(c, unicodedata.normalize("NFKD", c)[0]) for c in text]
    shown = "".join(
        base if base.isascii() and base.isprintable() else f"\\u{ord(c):04x}" for c, base in letters
    )
    return shown if len(shown) <= 24 else f"{shown[:21]}..."
