"""The plain table of training runs."""

import pytest

from clipbench_tf.leaderboard import runs
from clipbench_tf.leaderboard.entry import RecordError


def record(method: str, top1: float, splits=("test",)) -> dict:
    result = {"top1": top1, "top1_interval": [0.1, 0.3], "top5": 0.5, "top5_interval": [0.4, 0.6]}
    results = [{"split": split, **result} for split in splits]
    return {"method": method, "results": results, "steps": 12}


def test_rows_are_sorted_and_rounded():
    lines = runs.markdown([record("clip", 0.1234), record("slip", 0.2)]).splitlines()
    assert lines[0] == "| method | test top-1 | test top-5 | steps |"
    assert lines[2] == "| slip | 20.0 (10.0 to 30.0) | 50.0 (40.0 to 60.0) | 12 |"
    assert lines[3] == "| clip | 12.3 (10.0 to 30.0) | 50.0 (40.0 to 60.0) | 12 |"


def test_records_of_other_splits_are_refused():
    with pytest.raises(RecordError, match="slip has other splits"):
        runs.markdown([record("clip", 0.3), record("slip", 0.2, ("validation",))])


@pytest.mark.parametrize("content", [None, "{", "[]", '{"method": "clip", "results": [{}]}'])
def test_what_is_no_record_is_named(content, tmp_path):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RecordError, match=r"record.json is no record"):
        runs.read(path)
