"""A picture of which patches of a picture answer to which words of its caption."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clipbench_tf.callbacks.tensorboard.view_grid import plain
from clipbench_tf.evaluation.alignment import Alignment

_PICTURE = 256  # pixels, each side at most
_MAP = 88  # of the small map of a word, at most
_GAP, _MARGIN, _LINE = 10, 12, 24
_WIDTH = 880  # of the drawing
_PAPER, _INK, _FAINT = "#ffffff", "#1c1c1c", "#6b6b6b"
# Okabe and Ito's colours for all kinds of colour vision (2008), without black.
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
_OTHER = "#8c8c8c"  # of words beyond the seven that most patches answer to
_COLD, _HOT = np.array([0, 32, 76]), np.array([255, 233, 69])  # of the lowest and highest cosine
_PALEST, _STRONGEST = 0.3, 0.8  # opacity of a patch at the lowest and highest cosine
_MOST_MAPS = 24
_FONT, _SMALLEST = 15, 8  # sizes of letters; smaller numbers are left out


def draw_alignment(alignment: Alignment) -> np.ndarray:
    """Draws one pair.

    On the left the picture, and again with each patch in the colour and with the number of the word
    that it answers to, the stronger the higher their cosine. Beside it the caption in the same
    colours; words that no patch answers to are only framed. Below, a map of the cosines of each
    word, from dark blue to yellow, on one scale for the pair, the highest framed.

    Returns:
        The drawing, uint8 [height, width, 3].
    """
    colours = _colours(alignment)
    left = 2 * (_PICTURE + _GAP) + _MARGIN
    chips, below = _chips(alignment.words, left, _WIDTH - _MARGIN)
    top = max(_MARGIN + _PICTURE, below + _LINE) + _GAP
    maps = min(len(alignment.words), _MOST_MAPS)
    columns = (_WIDTH - 2 * _MARGIN + _GAP) // (_MAP + _GAP)
    rows = -(-maps // columns)
    sheet = Image.new("RGB", (_WIDTH, top + rows * (_MAP + _LINE) + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    sheet.paste(_enlarged(alignment.picture, _PICTURE), (_MARGIN, _MARGIN))
    sheet.paste(_answered(alignment, colours), (_MARGIN + _PICTURE + _GAP, _MARGIN))
    for number, (corner, text) in enumerate(chips):
        _draw_chip(draw, corner, text, colours.get(number))
    draw.text((left, below), _scale(alignment), fill=_FAINT, font=_font(_FONT - 2))
    for number in range(maps):
        row, column = divmod(number, columns)
        corner = (_MARGIN + column * (_MAP + _GAP), top + row * (_MAP + _LINE))
        sheet.paste(_heat_map(alignment, number), (corner[0], corner[1] + _LINE - 4))
        title = _cut(f"{number + 1} {plain(alignment.words[number])}", _MAP)
        draw.text(corner, title, fill=_INK, font=_font(_FONT - 2))
    return np.asarray(sheet)


def _colours(alignment: Alignment) -> dict[int, str]:
    """The colour of each word that some patch answers to; most patches choose first."""
    if not alignment.words:
        return {}
    counts = np.bincount(alignment.words_of_patches().ravel(), minlength=len(alignment.words))
    order = [int(word) for word in np.argsort(-counts, kind="stable") if counts[word]]
    chosen = sorted(order[: len(_COLOURS)])
    return dict.fromkeys(order, _OTHER) | dict(zip(chosen, _COLOURS, strict=False))


def _range(alignment: Alignment) -> tuple[float, float]:
    """The lowest and highest cosine of the pair."""
    return float(alignment.cosines.min()), float(alignment.cosines.max())


def _shares(alignment: Alignment) -> np.ndarray:
    """The cosines as shares of their range, [rows, columns, W]."""
    low, high = _range(alignment)
    return (alignment.cosines - low) / max(high - low, 1e-9)


def _scale(alignment: Alignment) -> str:
    if not alignment.words:
        return "No words in the caption."
    low, high = _range(alignment)
    return f"Cosine {low:.2f} (pale, blue) to {high:.2f} (strong, yellow)."


def _cell(alignment: Alignment, side: int) -> int:
    """Pixels of a patch in a square of at most `side`."""
    return max(1, side // len(alignment.cosines))


def _enlarged(picture: np.ndarray, side: int) -> Image.Image:
    # Small pictures are shown with the pixels that the model sees.
    method = Image.Resampling.NEAREST if len(picture) < side else Image.Resampling.LANCZOS
    return Image.fromarray(picture).resize((side, side), method)


def _answered(alignment: Alignment, colours: dict[int, str]) -> Image.Image:
    """The picture with its patches in the colours of their words."""
    cell, count = _cell(alignment, _PICTURE), len(alignment.cosines)
    tile = _enlarged(alignment.picture, cell * count)
    if not colours:
        return tile
    answers, best = alignment.words_of_patches(), _shares(alignment).max(axis=2)
    grey = tile.convert("L").convert("RGB")  # whose own colours would mix with those of the words
    for row, column in np.ndindex(answers.shape):
        box = (column * cell, row * cell, (column + 1) * cell, (row + 1) * cell)
        paint = Image.new("RGB", (cell, cell), colours[int(answers[row, column])])
        opacity = _PALEST + (_STRONGEST - _PALEST) * float(best[row, column])
        grey.paste(Image.blend(grey.crop(box), paint, opacity), box)
    draw = ImageDraw.Draw(grey)
    for line in range(1, count):
        draw.line((line * cell, 0, line * cell, cell * count), fill=_PAPER)
        draw.line((0, line * cell, cell * count, line * cell), fill=_PAPER)
    size = min(_FONT, cell // 2)
    for row, column in np.ndindex(answers.shape if size >= _SMALLEST else (0, 0)):
        middle = ((column + 0.5) * cell, (row + 0.5) * cell)
        number = str(answers[row, column] + 1)
        draw.text(
            middle,
            number,
            fill=_INK,
            font=_font(size),
            anchor="mm",
            stroke_width=2 if size == _FONT else 1,
            stroke_fill=_PAPER,
        )
    return grey


def _heat_map(alignment: Alignment, word: int) -> Image.Image:
    """The cosines of one word, the highest framed."""
    cell = _cell(alignment, _MAP)
    shares = _shares(alignment)[:, :, word, np.newaxis]
    cells = (_COLD + shares * (_HOT - _COLD)).round().astype(np.uint8)
    heat = Image.fromarray(cells.repeat(cell, axis=0).repeat(cell, axis=1))
    row, column = alignment.patches_of_words()[word].tolist()
    frame = (column * cell, row * cell, (column + 1) * cell - 1, (row + 1) * cell - 1)
    ImageDraw.Draw(heat).rectangle(frame, outline="#d00000", width=2 if cell > 8 else 1)
    return heat


def _chips(
    words: tuple[str, ...], left: int, right: int
) -> tuple[list[tuple[tuple[int, int], str]], int]:
    """The corner and text of each numbered word in lines, and the top of the line below them."""
    x, y, chips = left, _MARGIN, []
    for number, word in enumerate(words, 1):
        text = _cut(f"{number} {plain(word)}", right - left - 8)
        width = int(_font(_FONT).getlength(text)) + 8
        if x + width > right:
            x, y = left, y + _LINE
        chips.append(((x, y), text))
        x += width + 4
    return chips, y + (_LINE if words else 0) + 4


def _draw_chip(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, colour: str | None
) -> None:
    x, y = corner
    box = (x, y, x + int(_font(_FONT).getlength(text)) + 8, y + _LINE - 4)
    draw.rectangle(box, fill=colour, outline=colour or "#c0c0c0")
    dark = colour in ("#0072b2", "#d55e00", "#009e73")
    ink = _FAINT if colour is None else _PAPER if dark else _INK
    draw.text((x + 4, y + 2), text, fill=ink, font=_font(_FONT))


def _cut(text: str, width: int) -> str:
    """`text`, cut short to be at most `width` pixels wide."""
    font = _font(_FONT)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
