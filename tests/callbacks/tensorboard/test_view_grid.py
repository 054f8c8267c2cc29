import numpy as np
import pytest
from PIL import ImageFont

from clipbench_tf.callbacks.tensorboard import view_grid as module
from clipbench_tf.callbacks.tensorboard.view_grid import view_grid

COLOURS = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [200, 200, 30]], np.uint8)


def plain(count, views, size):
    """Views of one colour each."""
    colours = COLOURS[np.arange(count * views) % 4].reshape(count, views, 1, 1, 3)
    return np.broadcast_to(colours, (count, views, size, size, 3)).copy()


@pytest.mark.parametrize("size", [32, 64, 224])
def test_every_view_is_there_beside_its_pair(size):
    grid = view_grid(plain(2, 2, size), [["one"], ["two"]])
    assert grid.dtype == np.uint8 and grid.shape[2] == 3
    row = grid[12 + 64]  # through the middle of the pictures
    seen = [row[0]]
    for pixel in row:
        if (pixel != seen[-1]).any():
            seen.append(pixel)
    paper = grid[0, 0]
    expected = [paper]
    for colour in COLOURS:
        expected += [colour, paper]
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("count", [1, 3, 16])
@pytest.mark.parametrize("views", [1, 2, 3])
def test_any_number_of_pairs_and_views(count, views):
    grid = view_grid(plain(count, views, 8), [["caption"]] * count)
    assert grid.shape[1] <= 1200


def test_long_captions_break_into_lines_that_fit():
    font = ImageFont.load_default(14)
    lines = module._wrap("a picture of " + "many different things " * 9, font, 200)
    assert len(lines) == 3 and lines[-1].endswith("...")
    assert all(font.getlength(line) <= 200 for line in lines)
    assert module._wrap("x" * 500, font, 200)[0].endswith("...")
    assert module._wrap("", font, 200) == [""]


def test_letters_that_the_font_lacks_lose_their_accents():
    plain_text, accented = (view_grid(plain(1, 1, 8), [[t]]) for t in ("Cote naive", "Côte naïve"))
    np.testing.assert_array_equal(accented, plain_text)
