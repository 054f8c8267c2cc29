"""Opening tables: what they are told by, and what is refused with the remedy."""

import bz2
import csv
import gzip
import json
import os
import subprocess
import sys

import pytest

from clipbench_tf.data import sources
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tables import tables
from clipbench_tf.data.readers.tables.tables import open_table


@pytest.fixture(autouse=True)
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    for place in ("a.jpg", "b.jpg", "pictures/c.jpg"):
        (tmp_path / place).write_bytes(place.encode())
    return tmp_path


def pairs(dataset: Dataset) -> list[Pair]:
    reader = dataset.split("train")
    counts = enumerate(reader.counts)
    return [Pair.of(record) for part, count in counts for record in reader.read(part, 0, count)]


def captions(dataset: Dataset) -> list[tuple[bytes, tuple[str, ...]]]:
    return [(pair.image, pair.captions) for pair in pairs(dataset)]


TWO = [(b"a.jpg", ("a cat, asleep",)), (b"b.jpg", ("two; dogs",))]


@pytest.mark.parametrize(
    ("name", "separator"),
    [
        *[(f"t.{end}", separator) for end in ("csv", "tsv", "txt") for separator in ",;\t"],
        ("t.with.points.csv", ","),
    ],
)
def test_separators_are_told_by_the_first_line(name, separator, folder):
    with (folder / name).open("w", newline="") as out:
        writer = csv.writer(out, delimiter=separator)
        writer.writerows([["", "filepath", "title"], [0, "a.jpg", "a cat, asleep"]])
        writer.writerow([1, "b.jpg", "two; dogs"])
    dataset = sources.load(str(folder / name))
    assert captions(dataset) == TWO
    assert (dataset.name, dataset.source) == (name, str(folder / name))


@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.ndjson"])
def test_json_lines(name, folder):
    lines = [
        {"filename": image.decode(), "caption": list(texts), "url": "http://x/y.jpg"}
        for image, texts in TWO
    ]
    (folder / name).write_text("\n".join(map(json.dumps, lines)))
    assert captions(sources.load(str(folder / name))) == TWO


def test_options_name_columns_and_the_folder(folder):
    table = folder / "t.csv"
    table.write_text('﻿Bild,Titel,"Text, lang",Nr,Klasse\r\nc.jpg,one,two,k7,3\r\n', "utf-8")
    spec = f"{table}?image=Bild&caption=Titel,Text&images={folder}/pictures"
    with pytest.raises(DatasetError, match="no column 'Text', which caption= names; it has 'Bild'"):
        sources.load(spec)
    spec = f"{table}?image=Bild&caption=Text, lang&key=Nr&label=Klasse&images={folder}/pictures"
    dataset = sources.load(spec)
    assert pairs(dataset) == [Pair("k7", b"pictures/c.jpg", ("two",), 3)]
    assert pairs(sources.load(dataset.source)) == pairs(dataset)


def test_a_table_without_a_header_is_read_by_number(folder):
    table = folder / "t.csv"
    table.write_text('a.jpg,"a cat, asleep"\nb.jpg,two; dogs\n')
    with pytest.raises(DatasetError, match=r"it has 'a\.jpg', 'a cat, asleep'\. .*\?image=0&capt"):
        sources.load(str(table))
    assert captions(sources.load(f"{table}?image=0&caption=1")) == TWO
    table.write_text('0,1\na.jpg,"a cat, asleep"\nb.jpg,two; dogs\n')
    assert captions(sources.load(f"{table}?image=0&caption=1")) == TWO


def test_a_separator_may_be_given(folder):
    table = folder / "t.csv"
    table.write_text("image;a,b,c;text\na.jpg;;x\n")
    with pytest.raises(DatasetError, match="no column looks like one for image="):
        sources.load(str(table))
    assert captions(sources.load(f"{table}?separator=semicolon")) == [(b"a.jpg", ("x",))]


def test_paths_are_relative_to_the_table_wherever_one_stands(folder, monkeypatch):
    table = folder / "pictures" / "t.csv"
    table.write_text(f"image,text\nc.jpg,x\n{folder}/a.jpg,y\nfile://{folder}/b.jpg,z\n")
    expected = [(b"pictures/c.jpg", ("x",)), (b"a.jpg", ("y",)), (b"b.jpg", ("z",))]
    assert captions(sources.load(str(table))) == expected
    monkeypatch.chdir(folder / "pictures")
    assert captions(sources.load("t.csv")) == expected
    monkeypatch.chdir(folder)
    assert captions(sources.load("pictures/t.csv")) == expected


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b" \n\n", "is empty"),
        ("t.csv.gz", gzip.compress(b"image,text\n"), "is compressed.*gunzip"),
        ("t.jsonl.bz2", bz2.compress(b'{"image": 1}'), "is compressed.*bunzip2"),
        ("t.csv", "image,text\n".encode("utf-16"), "is UTF-16; .*iconv"),
        ("t.csv", b"PK\x03\x04...", "spreadsheet"),
        ("t.csv", b"image,text\ra.jpg,x\r", "old Macs"),
        ("t.csv", b"image,text\nhttps://x/a.jpg,x\nhttp://y,\n", "holds URLs, such as https://x/a"),
        ("t.csv", b"image,text\nhttps://x/a.jpg,x\n", "holds URLs"),
        ("t.tsv", b"url\tcaption\nhttps://x/a.jpg\tx\n", "URLs in 'url': .*img2dataset"),
        ("t.json", b'[{"image": "a.jpg", "text": "x"}]', "not hold a JSON object on each line"),
        ("t.json", b'{\n "image": "a.jpg"\n}', "not hold a JSON object on each line"),
        ("t.json", b'{"images": [], "annotations": []}\n', "it has 'images', 'annotations'"),
        ("t.jsonl", b'{"image": "https://x/a.jpg", "text": "x"}\n', "holds URLs"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name_with_the_remedy(name, data, message, folder):
    (folder / name).write_bytes(data)
    with pytest.raises(DatasetError, match=message) as caught:
        sources.load(str(folder / name))
    assert str(folder / name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("t.csv", {"images": "x", "colour": "red"}, "no option 'colour'; there are image, capt"),
        ("t.csv", {"separator": "pipe"}, "separator=pipe is unknown; give tab or comma or semi"),
        ("t.csv", {"missing": "ok"}, "missing=ok is unknown; give refuse or skip"),
        ("t.jsonl", {"separator": "tab"}, "no option 'separator'"),
        ("none.csv", {}, r"none\.csv"),
    ],
)
def test_options_and_paths_that_are_wrong_are_refused(name, options, message, folder):
    (folder / "t.csv").write_text("image,text\na.jpg,x\n")
    (folder / "t.jsonl").write_text('{"image": "a.jpg", "text": "x"}\n')
    with pytest.raises(DatasetError, match=message):
        open_table(str(folder / name), options)


def test_the_remedy_for_one_json_list_works(folder):
    table = folder / "t.json"
    rows = [{"image": image.decode(), "text": text[0]} for image, text in TWO]
    table.write_text(json.dumps(rows, indent=1))
    with pytest.raises(DatasetError) as caught:
        sources.load(str(table))
    command = str(caught.value).partition("make lines of it: ")[2]
    assert command.startswith("python -c ")
    environment = {**os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    subprocess.run(command, shell=True, check=True, env=environment)
    assert captions(sources.load(f"{table}l")) == TWO


def test_a_first_line_alone_and_one_without_an_end(folder):
    (folder / "t.jsonl").write_text('{"image": "a.jpg", "text": "x"}')
    assert captions(sources.load(str(folder / "t.jsonl"))) == [(b"a.jpg", ("x",))]
    (folder / "t.csv").write_text("image,text\na.jpg,x")
    assert captions(sources.load(str(folder / "t.csv"))) == [(b"a.jpg", ("x",))]


def test_a_long_table_is_told_by_its_first_lines(folder, monkeypatch):
    rows = "".join(f'a.jpg,"{"é" * 97}{number}"\n' for number in range(6000))
    data = f"image,Überschrift\n{rows}".encode()
    within_a_letter = data.index("é".encode(), 1000) + 1
    monkeypatch.setattr(tables, "HEAD", within_a_letter)
    (folder / "t.csv").write_bytes(data)
    reader = sources.load(f"{folder / 't.csv'}?caption=Überschrift").split("all")
    assert reader.counts == (6000,)
    assert Pair.of(reader.read(0, 5999, 1)[0]).captions == ("é" * 97 + "5999",)
