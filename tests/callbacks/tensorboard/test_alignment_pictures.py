import numpy as np
import pytest
from PIL import Image

from clipbench_tf.callbacks.tensorboard.alignment_pictures import draw_alignment
from clipbench_tf.evaluation.alignment import Alignment

ORANGE, BLUE = (230, 159, 0), (86, 180, 233)  # the first two colours
YELLOW, DARK = (255, 233, 69), (0, 32, 76)  # of the highest and of the lowest cosine


def alignment(cosines, words, size=64):
    picture = np.full([size, size, 3], 128, np.uint8)
    return Alignment(picture, tuple(words), np.asarray(cosines, np.float32))


def count(drawing, colour, tolerance=0):
    away = np.abs(drawing.astype(int) - colour).max(axis=2)
    return int((away <= tolerance).sum())


def place(drawing, colour):
    """Rows and columns of all pixels of a colour."""
    return np.nonzero((drawing == colour).all(axis=2))


def test_each_patch_has_the_colour_of_its_word():
    # Patches of the left column answer to the first word, of the right one to the second.
    drawing = draw_alignment(alignment([[[1, 0], [0, 1]], [[1, 0], [0, 1]]], ["cat", "tree"]))
    answered = drawing[12 : 12 + 256, 12 + 256 + 10 : 12 + 2 * 256 + 10]
    for half, colour in ((answered[:, :128], ORANGE), (answered[:, 128:], BLUE)):
        # A grey picture below, and the strongest colour, at an opacity of 0.8.
        expected = np.round(128 + 0.8 * (np.array(colour) - 128))
        assert count(half, expected, tolerance=2) > 0.8 * half[:, :, 0].size


def test_the_map_of_a_word_is_brightest_at_the_patch_that_answers_to_it():
    cosines = np.zeros([4, 4, 1])
    cosines[1, 2] = 1.0
    drawing = draw_alignment(alignment(cosines, ["cat"]))
    rows, columns = place(drawing, YELLOW)
    all_rows, all_columns = (
        np.concatenate(pair)
        for pair in zip(place(drawing, DARK), place(drawing, YELLOW), strict=True)
    )
    cell = 88 // 4
    assert len(rows) == (cell - 4) ** 2  # within a frame of two pixels
    assert (rows.min() - all_rows.min()) // cell == 1
    assert (columns.min() - all_columns.min()) // cell == 2


@pytest.mark.parametrize("words", [1, 7, 8, 60])
@pytest.mark.parametrize("side", [1, 7, 14])
def test_any_grid_and_any_number_of_words(words, side):
    cosines = np.random.default_rng(0).uniform(-1, 1, [side, side, words])
    drawing = draw_alignment(alignment(cosines, [f"word{n}" for n in range(words)]))
    assert drawing.dtype == np.uint8 and drawing.shape[1:] == (880, 3)


def test_a_caption_without_words_leaves_the_picture():
    drawing = draw_alignment(alignment(np.zeros([2, 2, 0]), []))
    assert count(drawing, (128, 128, 128)) >= 2 * 256 * 256


def test_cosines_that_are_all_equal_are_drawn():
    drawing = draw_alignment(alignment(np.full([2, 2, 2], 0.5), ["a", "b"]))
    assert Image.fromarray(drawing).size[0] == 880
