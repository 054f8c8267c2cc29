"""Where rows begin, and what is in them: as the csv and json modules have it."""

import csv
import io
import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.tables import rows
from clipbench_tf.data.readers.tables.rows import BadRow, JsonLines, Separated

TEXTS = ["a", "", "two words", 'say "hi"', '"', '""', "a,b", "tab\there", "x;y", "né", "猫", " "]
BROKEN = ["line\nbreak", "\n", '"\n"', "a\n\nb", "end\n", "\r\n", '","\n', ',"\n"']


def cells_of(kind: rows.Rows, path: Path) -> list:
    """All rows by their positions; None for a bad one."""
    data, edges = path.read_bytes(), rows.starts(str(path), kind).tolist()
    found = []
    for start, end in itertools.pairwise(edges):
        try:
            cells = kind.cells(data[start:end])
            found.append(list(cells.values()) if isinstance(kind, Separated) else cells)
        except BadRow:
            found.append(None)
    return found


def by_hand(text: str, separator: str) -> list[list[str]]:
    """The csv module over the whole text."""
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 23])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_of_what_the_csv_module_writes_are_those_it_reads(
    end, separator, chunk, tmp_path, monkeypatch
):
    monkeypatch.setattr(rows, "CHUNK", chunk)
    picked = random.Random(f"{separator}{chunk}{end}")
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting)
        for _ in range(150):
            writer.writerow([picked.choice(TEXTS + BROKEN) for _ in range(3)])
            out.write(end * picked.choice([0, 0, 1, 2]))
        path = tmp_path / "table.csv"
        text = out.getvalue().rstrip("\r\n") if quoting == csv.QUOTE_ALL else out.getvalue()
        path.write_bytes(text.encode())
        assert cells_of(Separated(separator, 3), path) == by_hand(text, separator)


def test_lines_with_stray_quotes_are_what_the_csv_module_makes_of_each(tmp_path):
    picked = random.Random(0)
    lines = []
    for _ in range(3000):
        line = "".join(picked.choice('ab,"" ') for _ in range(picked.randrange(1, 12)))
        # As one line; what goes on beyond it has a test of its own.
        parsed = next(csv.reader([line]))
        if not parsed or parsed[-1].endswith("\n") or len(parsed) != 2 or line.count('"') % 2:
            continue
        lines.append(line)
    assert len(lines) > 300
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    found = cells_of(Separated(",", 2), path)
    assert len(found) == len(lines)
    assert found == [next(csv.reader([line])) for line in lines]


def test_a_quote_left_open_costs_no_other_row(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text(
        'image\tcaption\n1.jpg\t"Hello\n2.jpg\tfine\n3.jpg\tthe "best" one\n"4.jpg\tlost\n'
        "5.jpg\tlast"
    )
    assert cells_of(Separated("\t", 2), path) == [
        ["image", "caption"],
        ["1.jpg", "Hello"],
        ["2.jpg", "fine"],
        ["3.jpg", 'the "best" one'],
        None,
        ["5.jpg", "last"],
    ]


def test_a_row_of_several_lines_has_as_many_cells_as_the_others(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('a,"b\nc",d\ne,"f\ng"\nh,i,j\n')
    assert cells_of(Separated(",", 3), path) == [["a", "b\nc", "d"], None, None, ["h", "i", "j"]]


def test_a_row_of_several_lines_longer_than_may_be_is_read_line_by_line(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text('a,"b\nc"\nd,"' + "e\n" * 40 + '"\nf,g\n')
    whole = [["a", "b\nc"], ["d", "e\n" * 40], ["f", "g"]]
    assert cells_of(Separated(",", 2), path) == whole
    for chunk in (16, 1 << 20):
        monkeypatch.setattr(rows, "CHUNK", chunk)
        monkeypatch.setattr(rows, "SPANNING", 20)
        found = cells_of(Separated(",", 2), path)
        assert found[0] == whole[0] and found[-1] == whole[2] and len(found) == 1 + 41 + 1


def test_rows_with_too_few_and_too_many_cells_are_bad_and_leave_the_others_alone(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\nonly\nc,d,e\n   \nf,g\n")
    assert cells_of(Separated(",", 2), path) == [["a", "b"], None, None, None, ["f", "g"]]


def test_a_quoted_cell_of_200_kilobytes_with_line_breaks(tmp_path):
    cell = 'word "quoted", next\n' * 10_000
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["a", "b"], [cell, "c"], ["d", "e"]])
    path = tmp_path / "table.csv"
    path.write_text(out.getvalue(), newline="")
    assert cells_of(Separated(",", 2), path) == [["a", "b"], [cell, "c"], ["d", "e"]]


def test_nul_bytes_are_text_and_other_encodings_are_read(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b'\xef\xbb\xbf"a\nb",\xc3\xa9\nx\0y,caf\xe9\n\xe7\x8c\xab,z\n')
    found = cells_of(Separated(",", 2), path)
    assert found == [["a\nb", "é"], ["x\0y", "café"], ["猫", "z"]]


def test_json_lines_are_what_the_json_module_reads(tmp_path):
    values = [{"a": text, "b": [text, 1, None]} for text in TEXTS + BROKEN]
    lines = [json.dumps(value, ensure_ascii=n % 2 == 0) for n, value in enumerate(values)]
    path = tmp_path / "table.jsonl"
    path.write_bytes(("\ufeff" + "\r\n".join(lines[:9]) + "\n\n" + "\n".join(lines[9:])).encode())
    assert cells_of(JsonLines(), path) == values


@pytest.mark.parametrize("line", ["{", "[1]", "null", '"text"', "{'a': 1}", "[" * 100_000, "\0"])
def test_a_bad_json_line_is_one_record_between_the_others(line, tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n{{"a": 2}}\n')
    assert cells_of(JsonLines(), path) == [{"a": 1}, None, {"a": 2}]


def test_a_file_without_line_breaks_is_refused_before_memory_is(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LONGEST", 1000)
    monkeypatch.setattr(rows, "CHUNK", 100)
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n" + b"x" * 5000)
    with pytest.raises(DatasetError, match=r"table\.csv has no line break in the .* from byte 4"):
        rows.starts(str(path), Separated(",", 2))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_positions_of_100_000_rows(form, tmp_path):
    picked = random.Random(1)
    path, position, expected = tmp_path / f"table.{form}", 0, []
    with path.open("wb") as out:
        for number in range(100_000):
            caption = " ".join(picked.choices(TEXTS + BROKEN, k=picked.randrange(12)))
            if form == "csv":
                line = io.StringIO(newline="")
                csv.writer(line, lineterminator="\n").writerow([f"{number}.jpg", caption])
                text = line.getvalue().encode()
            else:
                text = json.dumps({"image": f"{number}.jpg", "caption": caption}).encode() + b"\n"
            expected.append(position)
            position += out.write(text)
    kind = Separated(",", 2) if form == "csv" else JsonLines()
    found = rows.starts(str(path), kind)
    assert found.dtype == np.uint64
    np.testing.assert_array_equal(found, [*expected, position])
