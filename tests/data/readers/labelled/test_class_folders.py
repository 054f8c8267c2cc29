"""Folders of classes: which pictures are found, and under which labels and names."""

import io
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipbench_tf.data import sources
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import pictures
from clipbench_tf.data.readers.labelled.class_folders import open_class_folders
from clipbench_tf.data.readers.pair import Pair


def draw(root: Path, *paths: str) -> None:
    """A picture at each path below `root`, whose red is the place in the list."""
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        end = "PNG" if path.lower().endswith("png") else "JPEG"
        Image.fromarray(np.full((8, 8, 3), [number, 9, 9], np.uint8)).save(root / path, end)


def pairs(dataset: Dataset, split: str) -> list[Pair]:
    reader = dataset.split(split)
    assert sum(reader.counts) == reader.examples
    assert len(reader.names) == len(reader.counts)
    counts = enumerate(reader.counts)
    return [Pair.of(record) for part, count in counts for record in reader.read(part, 0, count)]


def labels(dataset: Dataset, split: str = "all") -> dict[str, int]:
    """By path; also checks what every pair of class folders has in common."""
    read = pairs(dataset, split)
    for pair in read:
        assert pair.captions == (dataset.classes[pair.label],) and not pair.problem
    assert len({pair.key for pair in read}) == len(read)
    return {pair.key: pair.label for pair in read}


def option(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_folders_are_classes_in_sorted_order(tmp_path):
    root = tmp_path / "pets"
    draw(root, "hot_dog/1.jpg", "cat/1.jpg", "cat/2.png", "zebra/a b.jpg", "cat/deep/er/3.jpg")
    dataset = sources.load(str(root))
    assert (dataset.name, dataset.source) == ("pets", str(root))
    assert dataset.classes == ("cat", "hot dog", "zebra")
    assert dataset.templates == ("a photo of a {}",)
    order = ["cat", "hot_dog", "zebra"]
    expected = {
        str(path.relative_to(root)): order.index(path.relative_to(root).parts[0])
        for path in root.rglob("*.*")
    }
    assert labels(dataset) == expected and len(expected) == 5
    for pair in pairs(dataset, "all"):
        assert pair.image == (root / pair.key).read_bytes()
        assert Image.open(io.BytesIO(pair.image)).size == (8, 8)


def test_split_folders_are_splits_with_the_labels_of_all_together(tmp_path):
    draw(tmp_path, "train/b/1.jpg", "train/c/1.jpg", "val/a/1.jpg", "val/b/2.jpg", "Test/c/3.jpg")
    dataset = open_class_folders(f"{tmp_path}/", {})
    assert sorted(dataset.splits) == ["test", "train", "validation"]
    assert dataset.classes == ("a", "b", "c")
    assert labels(dataset, "train") == {"train/b/1.jpg": 1, "train/c/1.jpg": 2}
    assert labels(dataset, "validation") == {"val/a/1.jpg": 0, "val/b/2.jpg": 1}
    assert labels(dataset, "test") == {"Test/c/3.jpg": 2}


def test_a_class_may_be_called_train_and_other_folders_may_lie_beside_splits(tmp_path, caplog):
    draw(tmp_path / "vehicles", "car/1.jpg", "train/1.jpg")
    assert open_class_folders(str(tmp_path / "vehicles"), {}).classes == ("car", "train")
    draw(tmp_path / "set", "train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "docs/logo/x.png")
    with caplog.at_level(logging.WARNING):
        dataset = open_class_folders(str(tmp_path / "set"), {})
    assert (sorted(dataset.splits), dataset.classes) == (["train", "validation"], ("a", "b"))
    assert "left out docs" in caplog.text


def test_what_is_no_picture_is_ignored_and_counted(tmp_path, caplog):
    kept = ["a/1.JPG", "a/2.Jpeg", "a/3.png", "b/4.webp", "b/5.gif", "b/6.bmp", "b/7.JXL"]
    other = [
        "a/Thumbs.db",
        "a/.hidden.jpg",
        "b/x.txt",
        "b/no_extension",
        "readme.jpg",
        ".cache/1.jpg",
        "a/.thumbnails/1.jpg",
        "__MACOSX/a/1.jpg",
        "empty/notes.md",
    ]
    for path in (*kept, *other):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    with caplog.at_level(logging.INFO, logger="absl"):
        dataset = open_class_folders(str(tmp_path), {})
    assert sorted(labels(dataset)) == kept
    assert dataset.classes == ("a", "b")
    assert "5 files are hidden or no pictures" in caplog.text  # below a, b and empty
    assert "left out empty: no folders with pictures" in caplog.text


def test_linked_files_and_class_folders_are_read(tmp_path):
    draw(tmp_path, "store/x/1.jpg", "store/2.jpg", "set/b/3.jpg")
    os.symlink(tmp_path / "store/x", tmp_path / "set/a")
    os.symlink(tmp_path / "store/2.jpg", tmp_path / "set/b/2.jpg")
    found = labels(open_class_folders(str(tmp_path / "set"), {}))
    assert found == {"a/1.jpg": 0, "b/2.jpg": 1, "b/3.jpg": 1}


def test_a_file_that_vanished_is_a_pair_with_a_problem(tmp_path):
    draw(tmp_path, "a/1.jpg", "b/2.jpg")
    dataset = open_class_folders(str(tmp_path), {})
    (tmp_path / "a/1.jpg").unlink()
    found = {p.key: (p.problem, bool(p.image), p.label) for p in pairs(dataset, "all")}
    assert found == {"a/1.jpg": ("missing file", False, 0), "b/2.jpg": ("", True, 1)}


def test_many_files_make_parts_whose_stretches_mix_the_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "PART", 320)
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).mkdir()
        for number in range(100):
            (tmp_path / name / f"{number}.jpg").touch()
    dataset = open_class_folders(str(tmp_path), {})
    reader = dataset.split("test")
    assert (list(reader.counts), reader.examples) == ([320, 80], 400)
    assert len(labels(dataset)) == 400
    assert reader.read(1, 50, 3) == reader.read(1, 0, 80)[50:53]
    stretches = [reader.read(0, first, 16) for first in range(0, 320, 16)]
    classes = [len({Pair.of(r).label for r in stretch}) for stretch in stretches]
    assert np.mean(classes) > 3.5  # 3.96 for random ones, 1 for sorted ones
    assert open_class_folders(str(tmp_path), {}).split("test").read(0, 0, 50) == reader.read(
        0, 0, 50
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "tench\ngoldfish\n\nwhite_shark\n"),
        ("names.json", json.dumps(["tench", "goldfish", "white shark"])),
        (
            "synsets.txt",
            "n01484850 white shark\nn01443537 goldfish\nn01440764 tench\nn00000009 x\n",
        ),
        ("tabs.txt", "\ufeffn01484850\twhite_shark\nn01443537\tgoldfish\nn01440764\ttench\n"),
        ("kit.txt", "n01440764 449 tench\nn01443537 450 goldfish\nn01484850 442 white_shark\n"),
    ],
)
def test_names_of_synsets_come_from_a_file(name, text, tmp_path):
    draw(tmp_path / "set", *(f"{s}/1.jpg" for s in ("n01484850", "n01440764", "n01443537")))
    file = option(tmp_path, name, text)
    dataset = open_class_folders(str(tmp_path / "set"), {"classnames": file})
    assert dataset.classes == ("tench", "goldfish", "white shark")
    assert labels(dataset) == {f"n0{n}/1.jpg": i for i, n in enumerate((1440764, 1443537, 1484850))}
    assert dataset.source == f"{tmp_path / 'set'}?classnames={file}"


def test_synsets_that_are_not_imagenets_are_warned_of(tmp_path, caplog):
    draw(tmp_path, "n01440764/1.jpg", "n00000001/1.jpg")
    with caplog.at_level(logging.WARNING):
        dataset = open_class_folders(str(tmp_path), {})
    assert dataset.classes == ("n00000001", "n01440764")
    assert dataset.templates == ("a photo of a {}",)
    assert "will not read well" in caplog.text and "ImageNet-1k: n00000001)" in caplog.text


def test_imagenets_synsets_get_clips_names_and_prompts(tmp_path):
    draw(tmp_path, "n04008634/1.jpg", "n01440764/1.jpg", "n03773504/1.jpg")
    (tmp_path / "n01443537").mkdir()
    (tmp_path / "n01443537/.DS_Store").touch()
    (tmp_path / ".DS_Store").touch()
    dataset = open_class_folders(str(tmp_path), {})
    assert dataset.ids == ("n01440764", "n03773504", "n04008634")
    assert dataset.classes == ("tench", "missile", "missile")  # as in CLIP's list
    assert len(dataset.templates) == 80
    assert labels(dataset) == {f"{name}/1.jpg": label for label, name in enumerate(dataset.ids)}
    assert len(open_class_folders(str(tmp_path), {"templates": "clip1"}).templates) == 1


def test_numbered_folders_are_in_the_order_of_their_numbers(tmp_path):
    draw(tmp_path / "set", *(f"{number}/1.jpg" for number in (0, 10, 2, 1)))
    file = option(tmp_path, "names.txt", "zero\none\ntwo\nten\n")
    dataset = open_class_folders(str(tmp_path / "set"), {"classnames": file})
    found = {key: dataset.classes[label] for key, label in labels(dataset).items()}
    assert found == {"0/1.jpg": "zero", "1/1.jpg": "one", "2/1.jpg": "two", "10/1.jpg": "ten"}


def test_two_unicode_forms_of_a_name_are_one_class(tmp_path):
    draw(tmp_path, "train/caf\u00e9/1.jpg", "val/cafe\u0301/2.jpg", "train/b/1.jpg", "val/b/1.jpg")
    dataset = open_class_folders(str(tmp_path), {})
    assert dataset.classes == ("b", "caf\u00e9")
    assert labels(dataset, "validation") == {"val/b/1.jpg": 0, "val/cafe\u0301/2.jpg": 1}


def test_templates_come_from_a_file(tmp_path):
    draw(tmp_path / "set", "a/1.jpg", "b/1.jpg")
    file = option(tmp_path, "t.txt", "a photo of {}, a pet.\n\nart of {}.\n")
    dataset = open_class_folders(str(tmp_path / "set"), {"templates": file})
    assert dataset.templates == ("a photo of {}, a pet.", "art of {}.")


VALIDATION = [f"ILSVRC2012_val_0000000{n}.JPEG" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("n02\nn00\nn02\nn01", None),
        ("n02\nn00\nn02\nn01\n", "zero\none\ntwo"),
        ("2\n0\n2\n1", "zero\none\ntwo"),
        ("3\n1\n3\n2", "zero\none\ntwo"),
        ("2\n3\n2\n1", "n01 one\nn02 two\nn00 zero"),  # counts these lines from 1
        ("1\n2\n1\n0", "n01 one\nn02 two\nn00 zero"),
        ("n02\nn00\nn02\nn01", "n03 three\nn01 one\nn02 two\nn00 zero"),
    ],
)
def test_a_flat_folder_with_a_list_of_labels(given, names, tmp_path):
    draw(tmp_path / "val", *reversed(VALIDATION))

    def long(text):
        return text.replace("n0", "n0000000")

    options = {"labels": option(tmp_path, "labels.txt", long(given))}
    if names:
        options["classnames"] = option(tmp_path, "names.txt", long(names))
    dataset = open_class_folders(str(tmp_path / "val"), options)
    assert labels(dataset) == dict(zip(VALIDATION, [2, 0, 2, 1], strict=True))
    if names:
        assert dataset.classes[:3] == ("zero", "one", "two")


def test_the_numbers_of_the_imagenet_kit_are_not_taken_for_sorted_ones(tmp_path):
    draw(tmp_path / "val", *VALIDATION)
    names = option(tmp_path, "names.txt", "\n".join(f"n{n:08d} name {n}" for n in range(1000)))
    by_kit = {"labels": option(tmp_path, "kit.txt", "490\n361\n171\n822"), "classnames": names}
    with pytest.raises(DatasetError, match=r"class 489, not of 65.*map_clsloc"):
        open_class_folders(str(tmp_path / "val"), by_kit)
    right = {"labels": option(tmp_path, "sorted.txt", "65\n970\n230\n0"), "classnames": names}
    assert labels(open_class_folders(str(tmp_path / "val"), right))[VALIDATION[0]] == 65


@pytest.mark.parametrize(
    ("paths", "options", "words"),
    [
        ([], {}, "no folders with pictures.*/<class> or .*labels"),
        (["1.jpg", "2.jpg"], {}, "no folders with pictures"),
        (["a/1.tif", "b/1.txt"], {}, "no folders with pictures"),
        (["train/1.jpg"], {}, "no folders with pictures"),
        (["images/1.jpg", "other/x.txt"], {}, "one class only, 'images'.*two"),
        (["a_b/1.jpg", "a b/1.jpg"], {}, r"'a b' and 'a_b' \(.*\) are both called 'a b'"),
        (["a/1.jpg"], {"class": "x"}, "option 'class'; there are classnames, labels, templates"),
        (["a/1.jpg", "b/1.jpg"], {"classnames": "x\ny\nz"}, "3 names, but there are 2 classes"),
        (["a/1.jpg", "b/1.jpg"], {"classnames": "a\tx\nc\ty"}, "no name for b; add a line"),
        (
            ["a/1.jpg", "b/1.jpg"],
            {"classnames": "x\nx"},
            r"'a' and 'b' \(.*\) are both called 'x'",
        ),
        (["a/1.jpg", "b/1.jpg"], {"classnames": '["x", '}, "no JSON list of class names"),
        (["a/1.jpg", "b/1.jpg"], {"classnames": " \n"}, "is empty"),
        (["a/1.jpg", "b/1.jpg"], {"templates": "a {}\na cat"}, "'a cat' has no {}"),
        (["1.jpg", "2.jpg"], {"labels": "n00000001"}, "1 labels, but .* has 2 pictures"),
        (["1.jpg", "2.jpg"], {"labels": "0\n1"}, "nothing tells which classes they count"),
        (
            ["1.jpg", "2.jpg"],
            {"labels": "1\n3", "classnames": "x\ny"},
            "no class is known of 3 among 2",
        ),
        (["1.jpg", "2.jpg"], {"labels": "b\na", "classnames": "b\tx\nc\ty"}, "no name for a"),
    ],
)
def test_what_is_no_set_of_classes_is_refused_with_the_remedy(paths, options, words, tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    draw(root, *(path for path in paths if path.endswith("jpg")))
    for path in paths:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).touch()
    given = {name: option(tmp_path, f"{name}.txt", text) for name, text in options.items()}
    with pytest.raises(DatasetError, match=words):
        open_class_folders(str(root), given)


def test_files_that_are_not_there_are_named(tmp_path):
    draw(tmp_path, "a/1.jpg", "b/1.jpg")
    with pytest.raises(DatasetError, match=r"no file nowhere/names\.txt; correct its path"):
        open_class_folders(str(tmp_path), {"classnames": "nowhere/names.txt"})
    with pytest.raises(DatasetError, match="nowhere is no folder; correct the path"):
        open_class_folders(f"{tmp_path}/nowhere", {})
