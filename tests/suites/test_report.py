"""What a suite says before it starts and when it ends."""

import dataclasses
from pathlib import Path

import pytest

from clipbench_tf.suites import jobs, report, suite
from clipbench_tf.suites.jobs import Job
from clipbench_tf.suites.runner import Failure
from tests.leaderboard.samples import ROWS, entries
from tests.suites import own


def test_every_difference_is_told_once_by_the_level_that_brings_it(tmp_path):
    found, _ = suite.load(own.write(tmp_path), "emoji")
    text = report.differences(found, jobs.configurations(found))
    lines = text.splitlines()
    assert lines[1] == "  method OTTER in place of CLIP:"
    assert "    method.Method.name: 'clip' -> 'otter'" in lines
    assert "    objectives.optimal_transport.OptimalTransport.alpha: unbound -> 0.5" in lines
    assert not any("Recipe" in line for line in lines)
    assert lines[-1] == "Nothing else differs."


def test_levels_of_every_factor_are_told():
    found, _ = suite.load("table4", "emoji")
    text = report.differences(found, jobs.configurations(found))
    for level in ("SLIP", "FILIP", "DeCLIP", "DeFILIP"):
        assert text.count(f"method {level} in place of CLIP:") == 1
    assert text.count("image encoder ViT-B/32 in place of ResNet50:") == 1
    five, _ = suite.load("table5", "emoji")
    text = report.differences(five, jobs.configurations(five))
    assert "models.text_transformer.TextTransformer.depth: 12 -> 3" in text


def job(folder: Path, number: int, row: tuple, seed: int) -> Job:
    return Job(
        row=row,
        place=number,
        seed=seed,
        files=[],
        bindings=[],
        key=f"{number}{seed}",
        steps=10,
        flops=1e12,
        workdir=folder / str(number),
        record=folder / f"records/table4/{number}_{seed}.json",
    )


@pytest.fixture
def finished(tmp_path):
    """The jobs of a suite whose records are there."""
    made = []
    for entry in entries():
        made.append(job(tmp_path, ROWS.index(entry.row), entry.row, entry.seed))
        made[-1].record.parent.mkdir(parents=True, exist_ok=True)
        entry.write(made[-1].record)
    return made


def test_it_leaves_table_plots_and_page(finished, tmp_path):
    text = report.finished(finished, [], tmp_path)
    assert "| DeFILIP | ViT-B/32 |" in text and "Highest: DeFILIP, ViT-B/32." in text
    assert (tmp_path / "table4.md").read_text().count("\n| ") == 2 + 10
    assert len((tmp_path / "table4.csv").read_text().splitlines()) == 11
    assert (tmp_path / "table4.html").read_text().count("DeFILIP") > 1
    assert {path.suffix for path in (tmp_path / "plots").iterdir()} == {".png", ".svg"}
    assert "Not fit" not in text


def test_a_row_that_failed_is_told_and_the_others_make_a_table(finished, tmp_path):
    bad = finished[4]
    bad.record.unlink()
    text = report.finished(finished, [Failure(bad, "exit status 1")], tmp_path)
    assert "Failed: SLIP, ResNet50, seed 1: exit status 1" in text
    assert "The same command tries again" in text
    assert "| SLIP | ResNet50 |" not in text and "| SLIP | ViT-B/32 |" in text


def test_without_a_whole_row_there_is_no_table(finished, tmp_path):
    for one in finished:
        if one.seed == 2:
            one.record.unlink()
    text = report.finished(finished, [], tmp_path)
    assert text == "" and not (tmp_path / "table4.md").exists()


def test_records_that_are_no_leaderboard_are_told(finished, tmp_path):
    odd = dataclasses.replace(entries()[0], run={**entries()[0].run, "git_commit": "dirty"})
    odd.write(finished[0].record)
    text = report.finished(finished, [], tmp_path)
    assert "Not fit for a leaderboard: table4, CLIP, ResNet50, seed 0: 'dirty'" in text
