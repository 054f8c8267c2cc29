"""The whole way from handmade drawings to raw pairs and class folders."""

import csv
import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("resvg_py", reason="pip install '.[data]'")

import numpy as np
from PIL import Image

from clipbench_tf.data.openclipart import builder, classes, collection, drawings, packages
from tests.data.openclipart.svgs import svg, write

SETTINGS = {"size": 32, "packages": {"made": "up"}}
COLOURS = ("red", "lime", "blue", "gold", "magenta")


def scene(number: int) -> str:
    """A drawing that looks like no other: which of 8 bars are there, as `number` in binary."""
    bars = [f'<rect x="{5 * b}" width="5" height="40"/>' for b in range(8) if number >> b & 1]
    ground = f'<rect width="40" height="40" fill="{COLOURS[number % len(COLOURS)]}"/>'
    return ground + "".join(bars)


@pytest.fixture
def root(tmp_path) -> Path:
    """60 drawings in 3 folders, two of which are classes, and all sorts of others."""
    folder = tmp_path / "svg"
    files = {
        f"animals/birds/b{n}.svg": svg(scene(n), title=f"Bird, {n}", keywords=("bird", "animal"))
        for n in range(1, 21)
    }
    files |= {
        f"animals/bugs/b{n}.svg": svg(scene(n), description="Käfer\nbug", keywords=("insect",))
        for n in range(21, 46)
    }
    files |= {f"unsorted/u{n}.svg": svg(scene(n)) for n in range(46, 61)}
    # Look-alikes of every bird, in the same folder.
    files |= {f"animals/birds/twin{n}.svg": svg(scene(n), title=f"Twin {n}") for n in range(1, 21)}
    files["special/gradient.svg"] = svg("<g/>")
    files["special/undrawable.svg"] = svg(page='width="0" height="0"')
    files["special/broken.svg"] = "<svg"
    files["special/gpl.svg"] = svg(scene(61), licence="http://example.org/GPL")
    write(folder, files)
    (folder / "food").mkdir()
    (folder / "food" / "egg.svg").symlink_to("../unsorted/u50.svg")
    return folder


def made(root: Path, output: Path, **options) -> dict:
    return builder.assemble(output, root=root, fonts=root, settings=SETTINGS, **options)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if builder.BUILD not in path.relative_to(folder).parts
    }


def test_every_entry_is_trained_on_held_out_or_left_out_for_a_reason(root, tmp_path):
    summary = made(root, tmp_path / "out")
    assert summary["entries"] == len(list(root.rglob("*.svg"))) == 85
    assert summary["classes"] == ["bird", "insect"]
    assert (tmp_path / "out/templates.txt").read_text().splitlines() == summary["templates"]
    assert (summary["test"], summary["validation"]) == (8 + 10, 2 + 2)
    assert summary["dropped"] == {
        collection.LINK: 1,
        collection.LICENCE: 1,
        collection.UNREADABLE: 1,
        builder.BLANK: 1,
        builder.UNDRAWABLE: 1,
        builder.TWIN: 8 + 2,
    }
    kept = sum(summary[split] for split in ("train", "validation", "test"))
    assert kept + sum(summary["dropped"].values()) == summary["entries"]
    reasons = Counter(row["reason"] for row in rows(tmp_path / "out/dropped.csv"))
    assert reasons == summary["dropped"]
    assert json.loads((tmp_path / "out/summary.json").read_text("utf-8")) == summary


def test_captions_are_those_of_the_authors_beside_pictures_that_exist(root, tmp_path):
    summary = made(root, tmp_path / "out")
    raw = tmp_path / "out/raw"
    table = rows(raw / "captions.csv")
    assert tuple(table[0]) == builder.COLUMNS
    assert len(table) == summary["train"] == len(list((raw / "pictures").rglob("*.png")))
    by_image = {row["image"]: row for row in table}
    assert all((raw / image).is_file() for image in by_image)
    bug = next(row for row in table if row["category"] == "animals/bugs")
    assert bug["description"] == "Käfer\nbug"
    assert (bug["title"], bug["keywords"], bug["author"]) == ("", "insect", "Ann Author")
    bird = next(row for row in table if row["title"].startswith("Bird, "))
    assert bird["keywords"] == "bird, animal"
    nothing = by_image["pictures/unsorted/u46.png"]
    assert (nothing["title"], nothing["description"], nothing["keywords"]) == ("", "", "")


def test_no_training_picture_equals_a_held_out_one_and_held_out_ones_are_all_different(
    root, tmp_path
):
    made(root, tmp_path / "out")

    def pixels(folder: str) -> list[bytes]:
        found = sorted((tmp_path / "out" / folder).rglob("*.png"))
        return [np.asarray(Image.open(path).resize((8, 8))).tobytes() for path in found]

    held_out = pixels("test") + pixels("validation")
    assert len(set(held_out)) == len(held_out) == 22
    assert not set(held_out) & set(pixels("raw"))
    assert len(pixels("raw")) > len(set(pixels("raw")))  # among themselves they may


def test_class_folders_hold_pictures_of_their_class(root, tmp_path):
    made(root, tmp_path / "out")
    for split, share in (("test", 0.4), ("validation", 0.1)):
        folders = {path.name: path for path in (tmp_path / "out" / split).iterdir()}
        assert set(folders) == {"bird", "insect"}
        assert len(list(folders["bird"].iterdir())) == int(share * 20)
        assert all(p.name.startswith("animals-bugs-") for p in folders["insect"].iterdir())


def test_a_stopped_build_goes_on_where_it_stood_and_gives_the_same_bytes(
    root, tmp_path, monkeypatch
):
    made(root, tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(root, tmp_path / "out", progress=stop)
    assert not files(tmp_path / "out")
    drawn = []
    render = drawings.render
    monkeypatch.setattr(
        drawings, "render", lambda svg, **options: drawn.append(svg) or render(svg, **options)
    )
    made(root, tmp_path / "out")
    assert 0 < len(drawn) < 50
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_build_that_changed_leaves_nothing_of_the_former(root, tmp_path):
    made(root, tmp_path / "out")
    for path in (root / "animals" / "bugs").iterdir():
        path.unlink()
    summary = made(root, tmp_path / "out")
    assert summary["classes"] == ["bird"]
    assert not [name for name in files(tmp_path / "out") if "bugs" in name or "insect" in name]


def test_the_packages_are_fetched_and_what_is_built_is_not_built_again(root, tmp_path, monkeypatch):
    fetched = []

    def fetch(package: packages.Package, folder: Path) -> Path:
        fetched.append(package)
        place = folder / package.name
        (place / packages.FONTS_FOLDER).mkdir(parents=True, exist_ok=True)
        if package is packages.DRAWINGS and not (place / packages.DRAWINGS_FOLDER).exists():
            (place / packages.DRAWINGS_FOLDER).parent.mkdir(parents=True)
            (place / packages.DRAWINGS_FOLDER).symlink_to(root)
        return place

    monkeypatch.setattr(packages, "fetch", fetch)
    first = builder.build(tmp_path / "out", size=16)
    assert first["train"] > 0 and len(fetched) == 2
    assert builder.build(tmp_path / "out", size=16) == first and len(fetched) == 2
    newer = dataclasses.replace(packages.FONTS, version="3")
    monkeypatch.setattr(packages, "FONTS", newer)
    assert builder.build(tmp_path / "out", size=16)["settings"] != first["settings"]
    assert len(fetched) == 4


def test_a_collection_without_classes_is_all_for_training(tmp_path):
    write(tmp_path / "svg", {f"a/{n}.svg": svg(scene(n)) for n in range(1, 5)})
    summary = made(tmp_path / "svg", tmp_path / "out")
    assert (summary["train"], summary["test"], summary["classes"]) == (4, 0, [])
    assert classes.LEAST > 4
