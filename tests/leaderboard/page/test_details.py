"""What the details of a row hold."""

import dataclasses

import pytest

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.page.details import details
from tests.leaderboard import samples


def board(*changes: dict) -> Board:
    """A row with a seed for each of `changes`."""
    return Board(
        [
            dataclasses.replace(samples.entry(seed=seed), **change)
            for seed, change in enumerate(changes)
        ]
    )


def only(one: Board) -> dict:
    return details(one, one.rows[0])


def test_each_seed_has_a_line_with_the_intervals_over_pictures():
    heads, line = only(board({}))["seeds"]
    assert heads == [
        "seed",
        *("test top-1 (%)", "test top-5 (%)", "test MRR"),
        *("zero_shot top-1 (%)", "zero_shot top-5 (%)", "zero_shot MRR"),
        "steps",
        "minutes",
    ]
    assert line[:4] == ["0", "20.0 (18.0 to 22.0)", "40.0 (36.0 to 44.0)", "0.280"]
    assert line[4] == "2.0 (1.8 to 2.2)"
    assert line[-2:] == ["700", "2.0"]


def test_curves_hold_finite_points_of_each_seed():
    curve = [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 0.123456789}]
    accuracy, loss = only(board({}, {"curve": curve}))["curves"]
    assert accuracy["name"] == "validation top-1 (%)"
    assert accuracy["seeds"] == {"0": [[350, 10.0], [700, 20.0]], "1": []}
    assert loss["seeds"]["1"] == [[2, 0.12346]]
    assert only(board({"curve": []}))["curves"] == []


def test_a_row_without_baseline_has_no_differences_and_others_name_both_values():
    made = Board([samples.entry(row, place=n) for n, row in enumerate(samples.ROWS[:2])])
    base, other = made.rows
    assert details(made, base)["differences"] == []
    assert details(made, other)["differences"] == [
        {"base": "CLIP, ResNet50", "changes": [["method.Method.name", "'clip'", "'slip'"]]}
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("machine", "2 cores of AMD EPYC (avx2, avx512_bf16)"),
        ("commit", f"seed 0: {'a' * 40}; seed 1: unknown"),
        ("tensorflow", "2.21.0"),
        ("checksum of training data", "d" * 64),
        ("parameters", "1,600,000"),
        ("key of the run", f"seed 0: {'00'.rjust(64, '0')}; seed 1: {'01'.rjust(64, '0')}"),
    ],
)
def test_facts_tell_seeds_apart_only_where_they_differ(name, text):
    other = samples.run(0.2, seed=1) | {"git_commit": None}
    assert dict(only(board({}, {"run": other}))["facts"])[name] == text
