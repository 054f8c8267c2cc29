"""The table of a suite against numbers by hand."""

import csv
import dataclasses
import io

import numpy as np
import pytest

from clipbench_tf.leaderboard import table
from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.paper import NUMBERS
from tests.leaderboard.samples import ROWS, entries, entry, of_depths


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_means_gains_and_the_papers_numbers_stand_beside_each_other():
    made = [entry(ROWS[5], seed, v) for seed, v in enumerate((0.10, 0.11, 0.12))]
    made += [entry(ROWS[7], seed, v, place=1) for seed, v in enumerate((0.14, 0.15, 0.16))]
    made += [entry(ROWS[9], seed, v, place=2) for seed, v in enumerate((0.10, 0.13, 0.12))]
    head, _, clip, filip, defilip = table.markdown(Board(made)).splitlines()
    assert cells(head) == [
        *("method", "image encoder", "test top-1", "above CLIP", "test MRR"),
        *("the paper's", "above CLIP"),
    ]
    assert cells(clip) == ["CLIP", "ViT-B/32", "11.0 ± 2.5", "", "15.4 ± 3.5", "32.8", ""]
    assert cells(filip)[2:] == ["15.0 ± 2.5", "**+4.0 ± 0.0**", "21.0 ± 3.5", "39.5", "+6.7"]
    # 1/3 of (0, 2, 0) is not surely above 0, and so not bold.
    assert cells(defilip)[3] == "+0.7 ± 2.9"


def test_a_factor_of_numbers_and_two_baselines():
    lines = table.markdown(Board(of_depths())).splitlines()
    assert cells(lines[0])[3:5] == ["above 12", "above CLIP"]
    assert cells(lines[2])[:5] == ["CLIP", "1", "10.3 ± 0.7", "**-1.5 ± 0.0**", ""]
    assert cells(lines[-1])[-3:] == ["45.0", "", "+12.2"]


def test_a_suite_that_the_paper_does_not_have_has_no_column_of_it():
    own = dataclasses.replace(entry().suite, name="mine")
    text = table.markdown(Board([entry(suite=own)]))
    assert "paper" not in text
    assert cells(text.splitlines()[2])[2] == "20.0"  # one seed has no interval


def test_csv_has_all_of_it_for_every_row():
    board = Board(entries())
    lines = list(csv.DictReader(io.StringIO(table.comma_separated(board))))
    assert [(line["method"], line["image encoder"]) for line in lines] == ROWS
    for line, row in zip(lines, board.rows, strict=True):
        values = [entry.run["results"][1]["mean_reciprocal_rank"] for entry in row.entries]
        name = "zero_shot mean_reciprocal_rank"
        assert float(line[name]) == pytest.approx(np.mean(values), abs=1e-5)
        assert float(line[f"{name} low"]) < float(line[name]) < float(line[f"{name} high"])
        assert line["suite"], line["scale"] == ("table4", "emoji")
        assert line["seeds"] == "0 1 2"
        assert line["commit"] == "a" * 40
        assert line["machine"] == "2 cores of AMD EPYC (avx2, avx512_bf16)"
    assert lines[0]["test top1 above CLIP"] == ""
    assert lines[4]["paper"] == ""  # DeFILIP with a ResNet
    assert lines[9]["paper"] == "0.45"


def test_the_caption_names_suite_scale_seeds_machine_and_commit():
    text = table.caption(Board(entries()))
    for part in ("table4", "scale emoji", "seeds 0 to 2", "1,710 pictures among 1,891 classes"):
        assert part in text
    assert "chance 0.05" in text and "2 cores of AMD EPYC (avx2, avx512_bf16)" in text
    assert f"commit {'a' * 7}." in text
    assert "seed 0 alone" in table.caption(Board([entry()]))


def test_the_papers_tables_are_whole():
    assert {name: len(rows) for name, rows in NUMBERS.items()} == {
        "table3": 4,
        "table4": 9,
        "table5": 8,
    }
    assert NUMBERS["table3"]["DeFILIP", "V2"] == NUMBERS["table4"]["DeFILIP", "ViT-B/32"]
    assert NUMBERS["table5"]["CLIP", 12] == NUMBERS["table4"]["CLIP", "ViT-B/32"]
