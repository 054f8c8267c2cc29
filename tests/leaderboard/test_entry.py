"""Records of a suite on disk."""

import json

import pytest

from clipbench_tf.leaderboard import entry as entries
from clipbench_tf.leaderboard.entry import RecordError
from tests.leaderboard.samples import entry, of_depths


def test_a_record_is_read_as_it_was_written(tmp_path):
    for number, written in enumerate((entry(), of_depths()[-1])):
        path = tmp_path / f"{number}.json"
        written.write(path)
        found = entries.read(path)
        assert found == written
        assert found.levels == dict(zip(written.suite.factors, written.row, strict=True))


def test_records_are_found_below_a_folder_by_suite_and_scale(tmp_path):
    entry().write(tmp_path / "a.json")
    (tmp_path / "deep").mkdir()
    of_depths()[0].write(tmp_path / "deep/b.json")
    assert {name: len(some) for name, some in entries.read_all([tmp_path]).items()} == {
        "table4": 1,
        "table5": 1,
    }
    with pytest.raises(RecordError, match="empty holds no records"):
        (tmp_path / "empty").mkdir()
        entries.read_all([tmp_path / "empty"])


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("suite"),
        lambda content: content.update(format=0),
        lambda content: content.update(row=["CLIP"]),
        lambda content: content.update(more=1),
        lambda content: content.update(suite="table4"),
        lambda content: content.clear(),
    ],
)
def test_what_is_no_record_is_named(change, tmp_path):
    path = tmp_path / "bad.json"
    entry().write(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"bad.json is no record of a suite"):
        entries.read(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"'])
def test_so_is_other_json(text, tmp_path):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(RecordError, match=r"bad.json is no record of a suite"):
        entries.read(tmp_path / "bad.json")


def test_a_number_that_is_not_there_is_named():
    assert entry(top1=0.25).value("top1", "test") == 0.25
    with pytest.raises(RecordError, match="no recall of split test"):
        entry().value("recall", "test")
