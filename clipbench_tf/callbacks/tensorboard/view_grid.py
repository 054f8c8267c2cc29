"""A picture of training pairs: each pair's image views side by side, its captions below."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TILE = 128  # pixels, each side of a view
_GAP = 4  # between views
_MARGIN = 12  # around a pair
_NARROWEST = 192  # of a pair, to leave room for its captions
_WIDEST = 1200  # of the drawing
_PAPER = "#e4e4e4"  # not white, so that the edges of a white picture show
_FONT_SIZE = 14
_LINE = 18  # height of a line of text
_COLOURS = ("#000000", "#7a4a00", "#00527a")  # of the captions, by text view


def view_grid(images: np.ndarray, captions: Sequence[Sequence[str]]) -> np.ndarray:
    """Draws N pairs.

    Args:
        images: uint8 [N, V, H, W, 3].
        captions: for each of the N pairs, the caption of each text view.

    Returns:
        The drawing, uint8 [height, width, 3].
    """
    count, views = images.shape[:2]
    inner = max(views * (_TILE + _GAP) - _GAP, _NARROWEST)
    columns = max(1, min(count, _WIDEST // (inner + 2 * _MARGIN)))
    font = ImageFont.load_default(_FONT_SIZE)
    texts = [[_wrap(plain(view), font, inner) for view in pair] for pair in captions]
    lines = max(sum(map(len, pair)) for pair in texts)
    width, height = inner + 2 * _MARGIN, _TILE + _GAP + lines * _LINE + 2 * _MARGIN
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height), _PAPER)
    for index in range(count):
        corner = (index % columns * width + _MARGIN, index // columns * height + _MARGIN)
        _draw_pair(sheet, corner, images[index], texts[index], font)
    return np.asarray(sheet)


def _draw_pair(sheet: Image.Image, corner: tuple[int, int], views, texts, font) -> None:
    left, top = corner
    for number, view in enumerate(views):
        # Small pictures are shown with the pixels that the model sees.
        method = Image.Resampling.NEAREST if len(view) < _TILE else Image.Resampling.LANCZOS
        tile = Image.fromarray(view).resize((_TILE, _TILE), method)
        sheet.paste(tile, (left + number * (_TILE + _GAP), top))
    draw = ImageDraw.Draw(sheet)
    top += _TILE + _GAP
    for number, lines in enumerate(texts):
        for line in lines:
            draw.text((left, top), line, fill=_COLOURS[number % len(_COLOURS)], font=font)
            top += _LINE


def plain(text: str) -> str:
    """`text` without accents: Pillow's own font, which needs no installing, has none."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _wrap(text: str, font, width: int, most_lines: int = 3) -> list[str]:
    """Breaks `text` into lines of at most `width` pixels, the last one cut short if need be."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most_lines:
        lines = [*lines[: most_lines - 1], " ".join(lines[most_lines - 1 :])]
    return [_fit(line, font, width) for line in lines]


def _fit(line: str, font, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "...") > width:
        line = line[:-1]
    return line + "..."
