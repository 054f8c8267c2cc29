"""OpenAI's subset of YFCC100M joined with metadata in every form, compared with a join by hand."""

import bz2
import gzip
import hashlib
import itertools
import json
import os
import random
import sqlite3
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from clipbench_tf.data import sources
from clipbench_tf.data.readers import index
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tables import yfcc15m_v1, yfcc100m

TITLES = ["Spam Musubi", "", "50% off + more", "a\ttab", "<b>Café</b>", "猫"]
DESCRIPTIONS = [
    "Why do islanders love spam?",
    "one\ntwo",
    "",
    "&quot;x&quot; http://a.b",
    "é" * 300,
]
CREDIT = "Attribution-NonCommercial License"


def photo(number: int) -> dict[str, str]:
    """What YFCC100M might say of a photo."""
    return {
        "id": str(9731335 + 7 * number),
        "hash": hashlib.md5(str(number).encode()).hexdigest(),
        "title": TITLES[number % 6],
        "description": DESCRIPTIONS[number % 5],
        "page": f"http://www.flickr.com/photos/3@N01/{number}/",
    }


def line(number: int, *, width: int) -> str:
    """A line of the metadata, with its 25 cells or the 23 of the first release."""
    own = photo(number)
    cells = [str(number), own["id"], own["hash"], "3@N01", "nick", "2005-04-17 20:23:57.0", "1113"]
    cells += ["Canon+A", quote_plus(own["title"]), quote_plus(own["description"]), "spam,musubi"]
    cells += ["a%3Ab", "-122.4", "37.7", "16", own["page"], "http://farm1.static/x.jpg"]
    cells += [CREDIT, "http://creativecommons.org/licenses/by-nc/2.0/", "5", "1", "d3", "e4", "jpg"]
    cells.append("0")
    return "\t".join([cells[1], *cells[3:]] if width == 23 else cells)


def database(path: Path, numbers: list[int]) -> None:
    names = "photoid uid unickname datetaken dateuploaded capturedevice title description usertags "
    names += "machinetags longitude latitude accuracy pageurl downloadurl licensename licenseurl "
    names += "serverid farmid secret secretoriginal ext marker"
    with sqlite3.connect(path) as connection:
        connection.execute(
            f"CREATE TABLE yfcc100m_dataset (photoid INTEGER PRIMARY KEY, "
            f"{', '.join(names.split()[1:])})"
        )
        connection.executemany(
            f"INSERT INTO yfcc100m_dataset VALUES ({', '.join('?' * 23)})",
            [line(number, width=23).split("\t") for number in numbers],
        )
    connection.close()


def metadata(folder: Path, form: str, numbers: list[int]) -> str:
    text = [line(number, width=23 if "23" in form else 25) + "\n" for number in numbers]
    whole = "".join(text).encode()
    if form == "database":
        database(folder / "yfcc100m_dataset.sql", numbers)
        return str(folder / "yfcc100m_dataset.sql")
    if form == "23 in two files":
        half = len(text) // 2
        for part, lines in enumerate((text[:half], text[half:])):
            (folder / f"m-{part}.bz2").write_bytes(bz2.compress("".join(lines).encode()))
        return str(folder / "m-{0..1}.bz2")
    pack = {"25 bz2": bz2.compress, "25 gz": gzip.compress}.get(form, bytes)
    (folder / "m").write_bytes(pack(whole))
    return str(folder / "m")


FORMS = ["25", "25 bz2", "25 gz", "23", "23 in two files", "database"]


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(yfcc100m, "BATCH", 7)


def subset(folder: Path, numbers: list[int], *, name: str = "yfcc100m_subset_data.tsv") -> Path:
    rows = ((str(n), photo(n)["id"], photo(n)["hash"]) for n in numbers)
    (folder / name).write_text("".join("\t".join(row) + "\n" for row in rows))
    return folder / name


def pairs(spec: str) -> list[Pair]:
    reader = sources.load(spec).split("train")
    parts = enumerate(reader.counts)
    return [Pair.of(record) for part, count in parts for record in reader.read(part, 0, count)]


def texts(number: int) -> tuple[str, ...]:
    own = photo(number)
    return tuple(text for text in (own["title"], own["description"]) if text)


def by_hand(numbers: list[int]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Key -> (problem, captions); of photos without a picture file."""
    return {
        photo(n)["id"]: ("missing file" if texts(n) else "no caption", texts(n)) for n in numbers
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_photos_are_joined_by_number_whatever_the_form_and_order(form, order, tmp_path):
    numbers = random.Random(form).sample(range(100), 40)
    numbers = sorted(numbers) if order == "sorted" else numbers
    spec = f"{subset(tmp_path, numbers)}?metadata={metadata(tmp_path, form, list(range(100)))}"
    for number in numbers[:-2]:
        own = photo(number)["hash"]
        place = tmp_path / own[:3] / own[3:6] / f"{own}.jpg"
        place.parent.mkdir(parents=True)
        place.write_bytes(own.encode())
    found = {pair.key: pair for pair in pairs(spec)}
    assert len(found) == 40
    for number in numbers:
        pair, own = found[photo(number)["id"]], photo(number)
        if not texts(number):
            assert pair == Pair(own["id"], problem="no caption")
        elif number in numbers[-2:]:
            assert pair == Pair(own["id"], problem="missing file")
        else:
            assert pair == Pair(own["id"], own["hash"].encode(), texts(number))
    assert any(len(pair.captions) == 2 for pair in found.values())


def test_no_photo_is_lost_nor_counted_twice(tmp_path):
    """Photos that the metadata lacks or has twice, that the subset has twice; damaged lines."""
    numbers = [3, 5, 5, 8, 50, 51, 11]
    lines = [line(n, width=25) for n in (0, 3, 8, 5, 8, 11)]
    lines[2:2] = ["", "not\ta number\tx", "\t".join(lines[2].split("\t")[:9]), "7"]
    (tmp_path / "m").write_text("\n".join(lines) + "\n")
    spec = f"{subset(tmp_path, numbers)}?metadata={tmp_path}/m"
    found = pairs(spec)
    expected = [3, 8, 5, 5, 11, 50, 51]
    assert [pair.key for pair in found] == [photo(n)["id"] for n in expected]
    assert [pair.problem for pair in found] == ["missing file"] * 5 + ["no metadata"] * 2
    assert len(list(sources.load(spec).split("train").missing())) == 5


@pytest.mark.parametrize(
    ("layout", "name"),
    [("tree", "{hash:.3}/{middle}/{hash}.jpg"), ("hash", "{hash}.jpg"), ("id", "{id}.jpg")],
)
def test_layouts_of_the_pictures_and_choice_of_captions(layout, name, tmp_path):
    own = photo(0)
    place = tmp_path / "pictures" / name.format(**own, middle=own["hash"][3:6])
    place.parent.mkdir(parents=True)
    place.write_bytes(b"picture")
    spec = f"{subset(tmp_path, [0])}?metadata={metadata(tmp_path, '25', [0])}"
    spec += f"&images={tmp_path}/pictures&layout={layout}"
    for caption, expected in (
        ("title", (own["title"],)),
        ("description", (own["description"],)),
        ("both", (own["title"], own["description"])),
    ):
        dataset = sources.load(f"{spec}&caption={caption}")
        assert pairs(dataset.source) == [Pair(own["id"], b"picture", expected)]
        dataset.split("train").check()
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    with pytest.raises(DatasetError, match=r"1 of the 1 rows .*/elsewhere/: \w+(/\w+)*\.jpg"):
        sources.load(spec.replace("pictures&", "elsewhere&")).split("train").check()


def test_the_table_has_page_and_licence_and_is_made_once_for_the_same_files(tmp_path, monkeypatch):
    listed, about = subset(tmp_path, [4, 2]), metadata(tmp_path, "25 bz2", [1, 2, 3, 4])
    table = yfcc15m_v1.joined(str(listed), [about])
    rows = [json.loads(text) for text in Path(table).read_text("utf-8").splitlines()]
    assert [row["key"] for row in rows] == [photo(2)["id"], photo(4)["id"]]
    assert [row["hash"] for row in rows] == [photo(2)["hash"], photo(4)["hash"]]
    assert {(row["page"], row["licence"]) for row in rows} == {
        (photo(n)["page"], CREDIT) for n in (2, 4)
    }
    with monkeypatch.context() as patch:
        patch.setattr(yfcc15m_v1, "_join", None)
        assert yfcc15m_v1.joined(str(listed), [about]) == table
        os.utime(about, ns=(1, 1))
        with pytest.raises(TypeError):
            yfcc15m_v1.joined(str(listed), [about])
    assert yfcc15m_v1.joined(str(listed), [about]) != table


def test_a_join_that_is_stopped_leaves_nothing_that_counts(tmp_path, monkeypatch):
    listed, about = subset(tmp_path, [1, 2]), metadata(tmp_path, "25", list(range(30)))
    batches = yfcc100m.photos(about)

    def stopped(path):
        yield from itertools.islice(batches, 2)
        raise KeyboardInterrupt

    before = set(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(yfcc15m_v1, "photos", stopped)
        with pytest.raises(KeyboardInterrupt):
            yfcc15m_v1.joined(str(listed), [about])
    assert set(tmp_path.iterdir()) == before | {tmp_path / "cache"}
    assert len(pairs(f"{listed}?metadata={about}")) == 2


def test_the_table_lies_in_the_cache_where_the_folder_cannot_be_written(tmp_path, monkeypatch):
    listed, about = subset(tmp_path, [1]), metadata(tmp_path, "25", [1])
    allowed = os.access
    monkeypatch.setattr(
        yfcc15m_v1.os, "access", lambda path, mode: Path(path) != tmp_path and allowed(path, mode)
    )
    table = Path(yfcc15m_v1.joined(str(listed), [about]))
    assert table.parent == index.folder()
    assert table.read_text("utf-8").count("\n") == 1
    assert yfcc15m_v1.joined(str(listed), [about]) == str(table)


def test_a_hash_whose_leading_zeros_were_lost_is_that_of_the_file(tmp_path):
    own = photo(0)["id"]
    (tmp_path / "s.tsv").write_text(f"0\t{own}\tb508eace886322336be79e470dabc97\n")
    table = yfcc15m_v1.joined(str(tmp_path / "s.tsv"), [metadata(tmp_path, "25", [0])])
    assert json.loads(Path(table).read_text())["hash"] == "0b508eace886322336be79e470dabc97"


@pytest.mark.parametrize(
    ("listed", "about", "message"),
    [
        ("", "", r"s\.tsv is empty"),
        ("1\t2\n", "", r"s\.tsv, line 1: .* is not line number, photo number and hash"),
        ("1\t2\t" + "0" * 32 + "\na\tb\tc\n", "", r"s\.tsv, line 2"),
        ("1\t2\t" + "0" * 32 + "\n", "a\tb\n", "has 2 cells between tabs in its first line"),
        ("1\t2\t" + "0" * 32 + "\n", line(1, width=25), "has none of the 1 photos"),
        ("1\t2\t" + "0" * 32 + "\n", bz2.compress(b"x" * 9999)[:-9], "cannot be read to its end"),
        ("1\t2\t" + "0" * 32 + "\n", gzip.compress(b"x" * 999)[:-9], "cannot be read to its end"),
        ("1\t2\t" + "0" * 32 + "\n", b"SQLite format 3\0rest", "cannot be read to its end"),
    ],
)
def test_files_that_are_something_else_are_refused(listed, about, message, tmp_path):
    (tmp_path / "s.tsv").write_text(listed)
    (tmp_path / "m").write_bytes(about if isinstance(about, bytes) else about.encode())
    with pytest.raises(DatasetError, match=message):
        sources.load(f"{tmp_path}/s.tsv?metadata={tmp_path}/m")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("&layout=flat", "layout=flat is unknown; give tree, hash, id"),
        ("&caption=tags", "caption=tags is unknown; give both, title, description"),
        ("&image=x", "no option 'image'; there are metadata, images, layout, caption, missing"),
    ],
)
def test_options_that_are_not_known_are_refused(options, message, tmp_path):
    listed = subset(tmp_path, [1])
    with pytest.raises(DatasetError, match=message):
        sources.load(f"{listed}?metadata={tmp_path}/none{options}")
    with pytest.raises(DatasetError, match=r"1 files of .* are missing"):
        sources.load(f"{listed}?metadata={tmp_path}/none")
