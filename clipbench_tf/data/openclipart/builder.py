"""Builds the openclipart data set: packages -> drawings -> pictures -> held-out classes -> files.

What is written is what a user has who collected pictures and captions: `raw` with the pictures to
train on and `captions.csv`, in which nothing is cleaned, and for evaluation `test` and
`validation` with one folder for each class. Every entry of the package is in one of these or in
`dropped.csv`, with the reason.
"""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clipbench_tf.data.openclipart import classes, collection, drawings, duplicates, packages
from clipbench_tf.data.openclipart.collection import Drawing

SIZE = 256
# `title`, `description` and `keywords` are captions; any of them may be empty.
COLUMNS = (
    "image",
    "title",
    "description",
    "keywords",
    "category",
    "licence",
    "author",
    "date",
)
# Why a drawing is in no split.
BLANK = "nothing to see"
UNDRAWABLE = "not drawn by resvg"
TWIN = "looks like a held-out drawing"
# Pictures are kept between runs in the first; the rest is the result, complete with the last.
BUILD = "build"
RESULT = ("raw", "test", "validation", "templates.txt", "dropped.csv", "summary.json")

Progress = Callable[[int, int], None]  # drawings done, of how many


def build(output: Path, *, size: int = SIZE, progress: Progress | None = None) -> dict[str, Any]:
    """Fetches the packages and writes the data set to `output`, unless it is there already.

    A run that was stopped goes on where it stood: what was fetched and drawn is kept in
    `output/build`, which may be removed at the end.

    Args:
        output: Folder to write to.
        size: Longer side of the pictures, in pixels.
        progress: Called after each drawing.

    Returns:
        The content of `summary.json`: settings, class names, counts.

    Raises:
        DatasetError: if a package cannot be had; the message names the remedy.
    """
    settings = {
        "size": size,
        "packages": {p.name: p.version for p in (packages.DRAWINGS, packages.FONTS)},
    }
    summary = output / "summary.json"
    if summary.is_file():
        made: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
        if made["settings"] == settings:
            return made
    work = output / BUILD
    root = packages.fetch(packages.DRAWINGS, work) / packages.DRAWINGS_FOLDER
    fonts = packages.fetch(packages.FONTS, work) / packages.FONTS_FOLDER
    return assemble(output, root=root, fonts=fonts, settings=settings, progress=progress)


def assemble(
    output: Path,
    *,
    root: Path,
    fonts: Path,
    settings: dict[str, Any],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Writes the data set of the SVGs under `root`; arguments and result as for `build`."""
    size = settings["size"]
    found, dropped = collection.read_collection(root)
    entries = len(found) + len(dropped)
    pictures = output / BUILD / f"pictures_{size}"
    drawn = []
    for done, drawing in enumerate(found, 1):
        problem = _draw(root / drawing.path, _picture(pictures, drawing), size=size, fonts=fonts)
        if problem:
            dropped[drawing.path] = problem
        else:
            drawn.append(drawing)
        if progress:
            progress(done, len(found))
    groups = _look_alikes(drawn, pictures)
    named = classes.named_classes(classes.folder_classes(groups))
    splits = classes.hold_out(named)
    held_out = {d.path for split in splits.values() for _, g in split for d in g}
    train = [drawing for drawing in drawn if drawing.path not in held_out]
    ready = output / BUILD / "ready"
    shutil.rmtree(ready, ignore_errors=True)
    _write_raw(ready / "raw", train, pictures)
    for split, members in splits.items():
        chosen = [(name, classes.first(group)) for name, group in members]
        _write_class_folders(ready / split, chosen, pictures)
        twins = (d for _, group in members for d in group if d is not classes.first(group))
        dropped.update({twin.path: TWIN for twin in twins})
    _write_csv(ready / "dropped.csv", ("drawing", "reason"), sorted(dropped.items()))
    summary = {
        "settings": settings,
        "entries": entries,
        "train": len(train),
        **{split: len(members) for split, members in splits.items()},
        "dropped": dict(sorted(Counter(dropped.values()).items())),
        "classes": list(named),
        "templates": list(classes.TEMPLATES),
    }
    (ready / "templates.txt").write_text("".join(f"{t}\n" for t in classes.TEMPLATES), "utf-8")
    text = json.dumps(summary, indent=1, ensure_ascii=False)
    (ready / "summary.json").write_text(text + "\n", encoding="utf-8")
    _publish(ready, output)
    return summary


def _picture(folder: Path, drawing: Drawing) -> Path:
    return (folder / drawing.path).with_suffix(".png")


def _draw(svg: Path, picture: Path, *, size: int, fonts: Path) -> str | None:
    """Writes `picture`, unless it is there; returns why it cannot be."""
    if picture.is_file():
        return None
    try:
        image = drawings.render(svg, size=size, fonts=fonts)
    except ValueError:
        return UNDRAWABLE
    if image is None:
        return BLANK
    picture.parent.mkdir(parents=True, exist_ok=True)
    partial = picture.with_suffix(".partial")
    image.save(partial, "PNG")
    partial.replace(picture)
    return None


def _look_alikes(drawn: list[Drawing], pictures: Path) -> list[list[Drawing]]:
    thumbnails = []
    for drawing in drawn:
        with Image.open(_picture(pictures, drawing)) as image:
            thumbnails.append(duplicates.thumbnail(image))
    groups = duplicates.group(np.stack(thumbnails)) if thumbnails else []
    return [[drawn[row] for row in rows] for rows in groups]


def _write_raw(folder: Path, train: list[Drawing], pictures: Path) -> None:
    rows = []
    for drawing in train:
        place = _picture(Path("pictures"), drawing)
        _copy(_picture(pictures, drawing), folder / place)
        about = drawing.metadata
        texts = (about.title, about.description, ", ".join(about.keywords))
        facts = (drawing.category, about.licence, about.author, about.date)
        rows.append((place.as_posix(), *texts, *facts))
    _write_csv(folder / "captions.csv", COLUMNS, rows)


def _write_class_folders(folder: Path, members: list[tuple[str, Drawing]], pictures: Path) -> None:
    for name, drawing in members:
        file = _picture(Path(), drawing).as_posix().replace("/", "-")
        _copy(_picture(pictures, drawing), folder / name / file)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _publish(ready: Path, output: Path) -> None:
    """Moves the result to its place; `summary.json` goes first and comes last."""
    (output / RESULT[-1]).unlink(missing_ok=True)
    for name in RESULT:
        target = output / name
        if target.is_dir():
            shutil.rmtree(target)
        if (ready / name).exists():
            (ready / name).replace(target)
    ready.rmdir()
