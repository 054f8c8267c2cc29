"""Which changes of the data a checksum sees."""

import json

import pytest

from clipbench_tf.data import sources
from clipbench_tf.data.checksum import data_checksum
from tests.assessment.samples import dataset, pictures
from tests.evaluation.samples import png


def checksum(folder: str) -> str:
    return data_checksum(sources.load(folder), ["test"])


def test_it_depends_on_the_records_and_not_on_the_place(tmp_path):
    examples = pictures(40)
    first = checksum(dataset(tmp_path / "a", {"test": examples, "train": examples[:3]}))
    assert checksum(dataset(tmp_path / "b/c", {"test": examples})) == first
    changed = [*examples[:20], (examples[20][0], (examples[20][1] + 1) % 7), *examples[21:]]
    assert checksum(dataset(tmp_path / "d", {"test": changed})) != first
    assert checksum(dataset(tmp_path / "e", {"test": examples[:-1]})) != first
    assert checksum(dataset(tmp_path / "f", {"test": examples[::-1]})) != first


def test_a_manifest_tells_of_every_byte(tmp_path):
    folder = dataset(tmp_path, {"test": pictures(4)})
    before = checksum(folder)
    (tmp_path / "manifest.json").write_text(json.dumps({"sha256": "a"}))
    first = checksum(folder)
    (tmp_path / "manifest.json").write_text(json.dumps({"sha256": "b"}))
    assert len({before, first, checksum(folder)}) == 3


def test_who_wrote_the_manifest_does_not_count(tmp_path):
    folder = dataset(tmp_path, {"test": pictures(4)})
    found = set()
    for version in ("0.2.0", "0.7.0"):
        content = {"versions": {"clipbench_tf": version}, "sha256": {"a": "b", "c": "d"}}
        (tmp_path / "manifest.json").write_text(json.dumps(content))
        found.add(checksum(folder))
    assert len(found) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"{}", b"\xff\xfe", b"null"])
def test_a_manifest_of_others_is_part_of_it_as_it_is(content, tmp_path):
    folder = dataset(tmp_path, {"test": pictures(4)})
    before = checksum(folder)
    (tmp_path / "manifest.json").write_bytes(content)
    assert checksum(folder) != before


@pytest.mark.parametrize("change", ["add", "remove", "rename", "repaint"])
def test_it_sees_changes_in_folders_of_classes(change, tmp_path):
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for picture in range(3):
            (tmp_path / name / f"{picture}.png").write_bytes(png((number * 99, picture, 0)))
    read = set(sources.load(str(tmp_path)).splits)
    before = data_checksum(sources.load(str(tmp_path)), sorted(read))
    if change == "add":
        (tmp_path / "cat/new.png").write_bytes(png((1, 2, 3)))
    elif change == "remove":
        (tmp_path / "cat/2.png").unlink()
    elif change == "rename":
        (tmp_path / "cat/2.png").rename(tmp_path / "cat/4.png")
    else:
        (tmp_path / "dog/1.png").write_bytes(png((1, 1, 1)))
    assert data_checksum(sources.load(str(tmp_path)), sorted(read)) != before
