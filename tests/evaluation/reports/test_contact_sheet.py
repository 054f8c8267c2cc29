import numpy as np
from PIL import Image

from clipbench_tf.data import sources
from clipbench_tf.evaluation.reports import contact_sheet
from clipbench_tf.evaluation.reports.letters import plain
from clipbench_tf.evaluation.split_result import SplitResult
from tests.evaluation.samples import COLOURS, NAMES, png, write_dataset


def draw(tmp_path, predictions, **options):
    """The sheet of one split whose picture i has label and colour i; its pixels."""
    count = len(predictions)
    folder = write_dataset(
        tmp_path, {"test": [(png(COLOURS[i % 5], size=30), i % 5) for i in range(count)]}
    )
    labels, predictions = np.arange(count) % 5, np.array(predictions)
    result = SplitResult(
        split="test",
        classes=len(NAMES),
        corrupt=0,
        places=np.arange(count),
        labels=labels,
        predictions=predictions,
        scores=np.zeros(count),
        credits={1: (labels == predictions).astype(float), 5: np.ones(count)},
    )
    path = tmp_path / "predictions.png"
    contact_sheet.write(path, sources.load(str(folder)), [result], **options)
    with Image.open(path) as sheet:
        return np.asarray(sheet.convert("RGB"))


def area(pixels, colour):
    return int(np.sum(np.all(pixels == colour, axis=-1)))


def test_shows_right_and_wrong_pictures_in_their_colours(tmp_path):
    pixels = draw(tmp_path, [0, 1, 0, 3, 1])  # red, green, black right; blue, white wrong
    for colour in COLOURS[:3]:
        assert 96 * 96 <= area(pixels, colour) < 97 * 97
    half = len(pixels) // 2
    assert area(pixels[:half], COLOURS[0]) and area(pixels[half:], COLOURS[2])
    assert not area(pixels[half:], COLOURS[0]) and not area(pixels[:half], COLOURS[2])


def test_shows_no_more_than_asked(tmp_path):
    pixels = draw(tmp_path, [1] * 10, columns=2, rows=1)
    shown = sum(round(area(pixels, colour) / 96**2) for colour in COLOURS[:3])
    assert shown <= 4
    few = draw(tmp_path, [0, 1, 2, 3, 4])  # nothing wrong: no heading without pictures
    assert len(few) < len(draw(tmp_path, [0, 1, 2, 3, 0]))


def test_names_are_drawn_in_letters_that_the_font_has():
    assert plain("Côte d'Ivoire, São Tomé, ½ 日") == "Cote d'Ivoire, Sao Tome, 1?2 ?"
