"""Which class is taken for which, as a picture: a matrix of the most confused classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clipbench_tf.evaluation.reports.letters import plain
from clipbench_tf.evaluation.reports.per_class import confused
from clipbench_tf.evaluation.split_result import SplitResult

AT_MOST = 30  # classes in a matrix
_CELL, _LETTERS, _MARGIN, _HEAD = 30, 24, 14, 52  # pixels, but for the letters of a name
_INK, _PALE, _RIGHT, _PAPER = "#1c1c1c", "#d8d8d8", "#1a7f37", "#ffffff"
_DARK = np.array([8, 48, 107])  # of a cell with all pictures of its row


def write(path: Path, classes: Sequence[str], results: Sequence[SplitResult]) -> None:
    """Writes a PNG with a matrix for each split, one below the other.

    A row is a true class, a column a predicted one; a cell shows which percentage of the pictures
    of its row are predicted so. Those that are right have a green frame. Of more than `AT_MOST`
    classes it shows those of the most confused pairs, and a column for all others.
    """
    blocks = [_matrix(classes, result) for result in results]
    width, height = max(block.width for block in blocks), sum(block.height for block in blocks)
    sheet, top = Image.new("RGB", (width + 2 * _MARGIN, height + 2 * _MARGIN), _PAPER), _MARGIN
    for block in blocks:
        sheet.paste(block, (_MARGIN, top))
        top += block.height
    sheet.save(path)


def chosen(result: SplitResult) -> list[int]:
    """The classes to show: all in their order, or those of the most confused pairs.

    Where nothing is confused, they are the first classes that have pictures.
    """
    if result.classes <= AT_MOST:
        return list(range(result.classes))
    pairs = [(pair.true, pair.predicted) for pair in confused(result)]
    found: dict[int, None] = {}
    for pair in pairs:
        if len(found.keys() | set(pair)) > AT_MOST:
            break
        found |= dict.fromkeys(pair)
    return list(found) or np.unique(result.labels)[:AT_MOST].tolist()


def shares(result: SplitResult, shown: Sequence[int]) -> np.ndarray:
    """Float [K, K + 1]: which part of the pictures of each class goes to each, and to all others.

    Rows of classes without pictures are zero.
    """
    column = np.full(result.classes, len(shown))
    column[list(shown)] = np.arange(len(shown))
    counts = np.zeros([len(shown) + 1, len(shown) + 1])
    np.add.at(counts, (column[result.labels], column[result.predictions]), 1)
    return counts[:-1] / np.maximum(counts[:-1].sum(axis=1, keepdims=True), 1)


def _matrix(classes: Sequence[str], result: SplitResult) -> Image.Image:
    """The matrix of one split, with its names and a heading."""
    shown = chosen(result)
    names = [_short(classes[number]) for number in shown]
    columns = names + ["all others"] * (len(shown) < result.classes)
    font = ImageFont.load_default(12)
    label = 10 + max(round(font.getlength(name)) for name in columns)
    heading = _heading(result, len(shown))
    wide = max(round(ImageFont.load_default(15).getlength(line)) for line in heading.split("\n"))
    size = (max(label + _CELL * len(columns), wide), _HEAD + label + _CELL * len(names) + _MARGIN)
    block = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(block)
    draw.multiline_text((0, 0), heading, fill=_INK, font=ImageFont.load_default(15), spacing=5)
    corner = (label, _HEAD + label)
    for number, name in enumerate(columns):
        upright = Image.new("RGB", (label, 16), _PAPER)
        ImageDraw.Draw(upright).text((6, 1), name, fill=_INK, font=font)
        block.paste(upright.rotate(90, expand=True), (label + number * _CELL + 7, _HEAD))
    values = shares(result, shown)[:, : len(columns)]
    empty = np.setdiff1d(shown, result.labels)
    for row, name in enumerate(names):
        middle = corner[1] + row * _CELL + _CELL // 2
        ink = _PALE if shown[row] in empty else _INK
        draw.text((label - 6, middle), name, fill=ink, font=font, anchor="rm")
        for column, value in enumerate(values[row]):
            _cell(draw, (corner[0] + column * _CELL, corner[1] + row * _CELL), value)
    for place in range(len(names)):  # over the pale frames of the neighbours
        left, top = corner[0] + place * _CELL, corner[1] + place * _CELL
        draw.rectangle((left, top, left + _CELL, top + _CELL), outline=_RIGHT, width=2)
    return block


def _heading(result: SplitResult, shown: int) -> str:
    which = f"{shown} classes"
    if shown < result.classes:
        which = f"{shown} of {result.classes:,} classes, those of the most confused pairs"
    if not np.any(result.predictions != result.labels):
        which += "; nothing is confused"
    return f"{result.split}: {which}\nRow: true class. Column: predicted class. Percent of the row."


def _cell(draw: ImageDraw.ImageDraw, corner: tuple[int, int], value: float) -> None:
    left, top = corner
    colour = tuple(np.round(255 + (_DARK - 255) * value).astype(int).tolist())
    draw.rectangle((left, top, left + _CELL, top + _CELL), fill=colour, outline=_PALE)
    if value > 0:
        draw.text(
            (left + _CELL // 2, top + _CELL // 2),
            f"{100 * value:.0f}" if value >= 0.005 else "<1",
            fill=_PAPER if value > 0.45 else _INK,
            font=ImageFont.load_default(12),
            anchor="mm",
        )


def _short(name: str) -> str:
    text = plain(name)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 3].rstrip()}..."
