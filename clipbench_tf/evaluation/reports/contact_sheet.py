"""A contact sheet of right and wrong predictions as a PNG."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clipbench_tf.data import sources
from clipbench_tf.data.selection import Selection
from clipbench_tf.evaluation.reports.letters import plain
from clipbench_tf.evaluation.split_result import SplitResult

_PICTURE, _CELL, _LINE, _MARGIN = 96, 152, 14, 12
_INK, _RIGHT, _WRONG, _PAPER = "#1c1c1c", "#1a7f37", "#b3261e", "#ffffff"
_CAPTION_LINES = 5


def write(
    path: Path,
    dataset: sources.Dataset,
    results: Sequence[SplitResult],
    *,
    columns: int = 8,
    rows: int = 2,
) -> None:
    """Writes `rows` x `columns` right and as many wrong predictions of each split to a PNG.

    Under each picture stand its true name, the predicted name if it is wrong, and the score of
    the prediction. The pictures are a random sample with a fixed seed.
    """
    blocks = [
        block
        for result in results
        for right in (True, False)
        if (block := _block(dataset, result, right, columns, rows)) is not None
    ]
    sheet = Image.new(
        "RGB",
        (columns * _CELL + 2 * _MARGIN, sum(block.height for block in blocks) + 2 * _MARGIN),
        _PAPER,
    )
    top = _MARGIN
    for block in blocks:
        sheet.paste(block, (_MARGIN, top))
        top += block.height
    sheet.save(path)


def _block(
    dataset: sources.Dataset, result: SplitResult, right: bool, columns: int, rows: int
) -> Image.Image | None:
    """A heading and a sample of the right or of the wrong predictions; None if there are none."""
    found = np.flatnonzero((result.predictions == result.labels) == right)
    if not len(found):
        return None
    chosen = np.random.default_rng(0).permutation(found)[: columns * rows]
    chosen = chosen[np.argsort(result.places[chosen])]
    lines = -(-len(chosen) // columns)
    cell_height = _PICTURE + _CAPTION_LINES * _LINE + 18
    block = Image.new("RGB", (columns * _CELL, 34 + lines * cell_height), _PAPER)
    draw = ImageDraw.Draw(block)
    colour, word = (_RIGHT, "right") if right else (_WRONG, "wrong")
    heading = f"{result.split}: {word}, {len(chosen)} of {len(found)}"
    draw.text((0, 4), heading, fill=colour, font=ImageFont.load_default(18))
    pictures = _pictures(dataset, result, chosen)
    for number, (index, picture) in enumerate(zip(chosen, pictures, strict=True)):
        left, top = number % columns * _CELL, 34 + number // columns * cell_height
        block.paste(picture, (left + 2, top + 2))
        frame = (left, top, left + picture.width + 3, top + picture.height + 3)
        draw.rectangle(frame, outline=colour, width=2)
        _caption(draw, (left, top + _PICTURE + 6), dataset.classes, result, index)
    return block


def _pictures(
    dataset: sources.Dataset, result: SplitResult, chosen: np.ndarray
) -> list[Image.Image]:
    """The pictures of the results `chosen`, sorted by place, which are read once more."""
    reader = Selection(dataset.split(result.split), result.places[chosen])
    pictures = []
    for record in sources.records(reader):
        file = io.BytesIO(sources.parse(record)["image"].numpy())
        picture = Image.open(file).convert("RGBA")
        paper = Image.new("RGBA", picture.size, _PAPER)
        picture = Image.alpha_composite(paper, picture).convert("RGB")
        scale = _PICTURE / max(picture.size)
        pictures.append(picture.resize([max(1, round(s * scale)) for s in picture.size]))
    return pictures


def _caption(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    classes: Sequence[str],
    result: SplitResult,
    index: int,
) -> None:
    true, predicted = result.labels[index], result.predictions[index]
    parts = [(classes[true], _INK)]
    if true != predicted:
        parts.append((f"predicted {classes[predicted]}", _WRONG))
    lines = [(line, ink) for text, ink in parts for line in textwrap.wrap(plain(text), 22)[:2]]
    lines.append((f"score {result.scores[index]:.3f}", "#6b6b6b"))
    font = ImageFont.load_default(12)
    for number, (line, ink) in enumerate(lines):
        draw.text((corner[0], corner[1] + number * _LINE), line, fill=ink, font=font)
