"""Pairs of a table, by part and number; pictures that are not there."""

import json
import pickle
from pathlib import Path

import pytest

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.reader import CheckedReader
from clipbench_tf.data.readers.tables import table_reader
from clipbench_tf.data.readers.tables.columns import Columns
from clipbench_tf.data.readers.tables.rows import JsonLines, Separated
from clipbench_tf.data.readers.tables.table_reader import TableReader


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "sub/c.jpg", "back\\slash.jpg"):
        (folder / name).write_bytes(f"<{name}>".encode())
    return folder


def reader_of(tmp_path: Path, text: str, *columns, **options) -> TableReader:
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    images = str(tmp_path / "pictures")
    return TableReader(str(path), Separated(",", 2), Columns(*columns), images, **options)


def pairs(reader: TableReader) -> list[Pair]:
    return [
        Pair.of(record)
        for part, count in enumerate(reader.counts)
        for record in reader.read(part, 0, count)
    ]


def test_every_row_is_a_pair_or_says_why_not(tmp_path, pictures):
    absolute = pictures / "b.png"
    text = (
        f"image,caption\na.jpg, a cat \n{absolute},dog\nsub\\c.jpg,bird\nback\\slash.jpg,odd\n"
        "none.jpg,gone\n,nothing\na.jpg,\na.jpg,  \nalone\na.jpg,b,c\n\0,nul\n  b.png ,spaces\n"
    )
    assert pairs(reader_of(tmp_path, text, 0, (1,), header=True)) == [
        Pair("t.csv:0:a.jpg", b"<a.jpg>", (" a cat ",)),
        Pair(f"t.csv:1:{absolute}", b"<b.png>", ("dog",)),
        Pair("t.csv:2:sub\\c.jpg", b"<sub/c.jpg>", ("bird",)),
        Pair("t.csv:3:back\\slash.jpg", b"<back\\slash.jpg>", ("odd",)),
        Pair("t.csv:4:none.jpg", problem="missing file"),
        Pair("t.csv:5", problem="no picture"),
        Pair("t.csv:6:a.jpg", problem="no caption"),
        Pair("t.csv:7:a.jpg", problem="no caption"),
        Pair("t.csv:8", problem="bad row"),
        Pair("t.csv:9", problem="bad row"),
        Pair("t.csv:10:\0", problem="missing file"),
        Pair("t.csv:11:b.png", b"<b.png>", ("spaces",)),
    ]


def test_a_picture_that_cannot_be_read_is_a_problem_of_its_own(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(table_reader.files, "PAUSE", 0)
    (found,) = pairs(reader_of(tmp_path, "sub,a folder\n", 0, (1,)))
    assert found == Pair("t.csv:0:sub", problem="unreadable file")


def test_cells_of_json_lines_may_be_lists_numbers_and_nothing(tmp_path, pictures):
    (pictures / "7").write_bytes(b"<7>")
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"i": 7, "c": ["one", "", null, "two"], "d": "three", "k": 5, "l": 3}\n'
        '{"i": "a.jpg", "c": null}\n{"i": {"path": "a.jpg"}, "c": "x"}\nnonsense\n'
        '{"i": "a.jpg", "c": "x", "l": "cat"}\n{"i": "a.jpg", "c": "\\ud800", "l": "12"}\n'
        '{"i": "\\ud800", "c": "x"}\n'
    )
    columns = Columns("i", ("c", "d"), key="k", label="l")
    found = pairs(TableReader(str(path), JsonLines(), columns, str(pictures)))
    assert found[0] == Pair("5", b"<7>", ("one", "two", "three"), 3)
    assert [pair.problem for pair in found] == [
        *["", "no caption", "no picture", "bad JSON line", "bad label", "", "missing file"]
    ]
    assert found[5] == Pair("t.jsonl:5:a.jpg", b"<a.jpg>", ("?",), 12)


def test_any_run_of_any_part_is_what_reading_all_in_order_gives(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(table_reader, "PART", 7)
    lines = [f'a.jpg,"caption {n}{chr(10) * (n % 3)}"' for n in range(23)]
    reader = reader_of(tmp_path, "\n".join(["image,caption", *lines]), 0, (1,), header=True)
    assert reader.counts == (7, 7, 7, 2) and reader.examples == 23
    assert reader.names == ("t.csv[0:7]", "t.csv[7:14]", "t.csv[14:21]", "t.csv[21:23]")
    whole = pairs(reader)
    assert [pair.captions[0].strip() for pair in whole] == [f"caption {n}" for n in range(23)]
    assert len({pair.key for pair in whole}) == 23
    for part, total in enumerate(reader.counts):
        for first in range(total):
            for count in range(1, total - first + 1):
                found = [Pair.of(record) for record in reader.read(part, first, count)]
                start = part * 7 + first
                assert found == whole[start : start + count]


def test_missing_pictures_are_counted_and_the_first_ten_named(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(table_reader, "PART", 4)
    monkeypatch.setattr(table_reader, "TOLD_EVERY", 2)
    names = [f"{n}.jpg" if n % 2 else "sub\\c.jpg" for n in range(41)]
    text = "".join(f"{name},x\n" for name in [*names, ""]) + "bad row\n"
    reader = reader_of(tmp_path, text, 0, (1,))
    assert isinstance(reader, CheckedReader)
    assert list(reader.missing()) == names[1::2]
    with pytest.raises(DatasetError, match=r"20 of the 43 rows of .*t\.csv") as caught:
        reader.check()
    message = str(caught.value)
    assert f"{pictures}/: {', '.join(names[1:20:2])} and 10 more." in message
    assert "21.jpg" not in message and "prepare_data.py" in message
    reader_of(tmp_path, text, 0, (1,), missing="skip").check()
    reader_of(tmp_path, "a.jpg,x\n,y\n", 0, (1,)).check()


def test_a_table_with_a_header_alone_is_refused(tmp_path):
    reader = reader_of(tmp_path, "image,caption\n\n", 0, (1,), header=True)
    with pytest.raises(DatasetError, match=r"t\.csv has no rows below its header"):
        reader.counts  # noqa: B018


def test_a_reader_can_be_sent_to_another_process(tmp_path, pictures):
    reader = reader_of(tmp_path, 'a.jpg,"x\ny"\n', 0, (1,))
    once = reader.read(0, 0, reader.counts[0])
    assert pickle.loads(pickle.dumps(reader)).read(0, 0, 1) == once


def test_a_label_may_have_the_point_that_pandas_gives_it(tmp_path, pictures):
    path = tmp_path / "t.jsonl"
    labels = ["1.0", 2.0, "", "1.5", "-1", ".0"]
    path.write_text("".join(f'{{"i": "a.jpg", "c": "x", "l": {json.dumps(n)}}}\n' for n in labels))
    found = pairs(
        TableReader(str(path), JsonLines(), Columns("i", ("c",), label="l"), str(pictures))
    )
    assert [pair.label for pair in found if pair.problem != "bad label"] == [1, 2, -1, -1]
    assert [pair.problem == "bad label" for pair in found] == [*[False] * 3, True, False, True]
