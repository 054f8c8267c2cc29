"""Tables of results against their records."""

import json
from pathlib import Path

import pytest

from clipbench_tf.leaderboard import table

ROOT = Path(__file__).parents[2]
COMMITTED, VERSIONS = table.committed("emoji"), table.committed("openclipart")


def record(method: str, top1: float, splits=("test",)) -> dict:
    result = {"top1": top1, "top1_interval": [0.1, 0.3], "top5": 0.5, "top5_interval": [0.4, 0.6]}
    results = [{"split": split, **result} for split in splits]
    return {"method": method, "results": results, "steps": 12}


def test_rows_are_sorted_and_rounded():
    lines = table.markdown([record("clip", 0.1234), record("slip", 0.2)]).splitlines()
    assert lines[0] == "| method | test top-1 | test top-5 | steps |"
    assert lines[2] == "| slip | 20.0 (10.0 to 30.0) | 50.0 (40.0 to 60.0) | 12 |"
    assert lines[3] == "| clip | 12.3 (10.0 to 30.0) | 50.0 (40.0 to 60.0) | 12 |"


def test_records_of_other_splits_are_refused():
    with pytest.raises(table.RecordError, match="slip has other splits"):
        table.markdown([record("clip", 0.3), record("slip", 0.2, ("validation",))])


@pytest.mark.parametrize("content", [None, "{", "[]", '{"method": "clip", "results": [{}]}'])
def test_what_is_no_record_is_named(content, tmp_path):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(table.RecordError, match=r"record.json is no record"):
        table.read(path)


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_a_page_shows_the_committed_records(page):
    assert {path.stem for path in COMMITTED} >= {"clip", "slip", "filip", "declip", "defilip"}
    assert table.markdown(map(table.read, COMMITTED)) in (ROOT / page).read_text()


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_record_is_complete_and_of_a_clean_checkout(path):
    content = json.loads(path.read_text())
    assert path.stem == content["method"]
    assert [r["split"] for r in content["results"]] == ["test", "zero_shot"]
    assert [r["scored"] for r in content["results"]] == [1710, 695]
    assert len(content["git_commit"]) == 40
    assert {"seed", "parameters", "hardware", "packages"} <= set(content)


def of_version(method: str, dataset: str, seed: int, top1: float) -> dict:
    return {**record(method, top1), "dataset": dataset, "seed": seed}


def test_versions_are_means_over_seeds_and_gains_seed_by_seed():
    records = [
        of_version("clip", "b", 0, 0.30),
        of_version("clip", "a", 1, 0.20),
        of_version("clip", "a", 0, 0.10),
        of_version("clip", "b", 1, 0.36),
    ]
    assert table.versions(records).splitlines()[::2] == [
        "| method | a | b | b above a |",
        "| clip | 15.0 (10.0 to 20.0) | 33.0 (30.0 to 36.0) | +18.0 (+16.0 to +20.0) |",
    ]
    with pytest.raises(table.RecordError, match=r"clip on . has not the seeds"):
        table.versions(records[:3])
    with pytest.raises(table.RecordError, match="two records of clip on b with seed 0"):
        table.versions([*records, records[0]])


def test_the_results_page_shows_the_committed_records_of_both_versions():
    assert len(VERSIONS) == 2 * 2 * 3
    assert table.versions(map(table.read, VERSIONS)) in (ROOT / "docs/results.md").read_text()


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_record_of_a_version_is_of_the_same_pictures_and_a_clean_checkout(path):
    content = json.loads(path.read_text())
    assert path.stem == f"{content['method']}_{content['dataset'][-2:]}_{content['seed']}"
    assert [(r["split"], r["scored"], r["classes"]) for r in content["results"]] == [
        ("test", 809, 38)
    ]
    assert len(content["git_commit"]) == 40
    assert content["git_commit"] == json.loads(VERSIONS[0].read_text())["git_commit"]
