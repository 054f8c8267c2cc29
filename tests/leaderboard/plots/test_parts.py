"""Which factor is an axis, a colour, a group."""

import dataclasses

import pytest

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.plots.parts import Parts
from clipbench_tf.leaderboard.plots.style import COLOURS, MARKERS, lines, look
from tests.leaderboard import samples


def parts(factors, rows) -> tuple[Board, Parts]:
    suite = dataclasses.replace(samples.SUITE, factors=factors, baselines={}, touches={})
    board = Board([samples.entry(row, suite=suite, place=n) for n, row in enumerate(rows)])
    return board, Parts(board)


@pytest.mark.parametrize(
    ("factors", "rows", "axis", "colour", "group"),
    [
        (("method",), [("CLIP",), ("SLIP",)], None, 0, None),
        (("method", "image encoder"), samples.ROWS, None, 0, 1),
        (("method", "layers"), [("CLIP", 1), ("CLIP", 12)], 1, 0, 1),
        (("layers", "method"), [(1, "CLIP"), (12, "CLIP")], 0, 1, 0),
        (("rate",), [(0.1,), (1e-4,)], 0, None, 0),
        (("method", "layers"), [("CLIP", 12), ("SLIP", 12)], None, 0, 1),
        (("method", "layers", "data"), [("CLIP", 1, "V1"), ("CLIP", 2, "V2")], 1, 0, 2),
    ],
)
def test_numbers_are_an_axis_and_the_first_of_the_others_a_colour(
    factors, rows, axis, colour, group
):
    found = parts(factors, rows)[1]
    assert (found.axis, found.colour, found.group) == (axis, colour, group)


def test_a_method_has_one_look_with_all_encoders():
    board, found = parts(("method", "image encoder"), samples.ROWS)
    looks = [found.look(row) for row in board.rows]
    assert looks[:5] == looks[5:]
    assert len({shown.colour for shown in looks}) == len({shown.marker for shown in looks}) == 5


def test_fifty_levels_have_fifty_looks():
    assert len({look(n) for n in range(50)}) == 50
    assert len(COLOURS) == len({*COLOURS}) and len(MARKERS) == len({*MARKERS})


def test_a_row_is_named_without_what_its_group_tells_and_numbers_with_their_factor():
    board, found = parts(("method", "layers"), [("CLIP", 1), ("CLIP", 12)])
    assert found.name(board.rows[1]) == "CLIP, layers\N{NO-BREAK SPACE}12"
    assert found.name(board.rows[1], 1) == "CLIP"
    assert found.name(board.rows[1], 1, 0) == ""


def test_long_names_are_cut_off_after_two_lines():
    assert lines("a ViT-B/32", 8) == "a\nViT-B/32"
    assert lines("one two three four five", 8) == "one two\nthree…"
    assert lines("", 8) == ""
