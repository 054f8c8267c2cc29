import os

import pytest

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.serving.page.searchable import Searchable, shown_name
from tests.evaluation.samples import COLOURS, NAMES, png, write_dataset

FILES = ("a.png", "deep/er/b.PNG", "deep/c.png")


@pytest.fixture
def folder(tmp_path):
    """Pictures at two depths, and files that are none."""
    for name, colour in zip(FILES, COLOURS, strict=False):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(colour))
    for name in ("notes.txt", ".hidden.png"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    return tmp_path / "photos"


def test_a_folder_counts_with_all_pictures_below_it(folder):
    pictures = Searchable(str(folder))
    assert (pictures.name, pictures.total) == ("photos", 3)
    found = pictures.read(range(3))
    assert {pair.key for pair in found} == set(FILES)
    assert {shown_name(pair) for pair in found} == {"a", "b", "c"}  # without folders
    for pair in found:
        assert pair.image == (folder / pair.key).read_bytes()


def test_its_checksum_differs_when_a_file_is_added_changed_or_removed(folder):
    seen = [Searchable(str(folder)).checksum()]
    assert Searchable(f"{folder}/").checksum() == seen[0]
    (folder / "new.png").write_bytes(png(COLOURS[3]))
    seen.append(Searchable(str(folder)).checksum())
    os.utime(folder / "new.png", ns=(1, 1))
    seen.append(Searchable(str(folder)).checksum())
    (folder / "new.png").unlink()
    assert len(set(seen)) == 3
    assert Searchable(str(folder)).checksum() == seen[0]


def test_a_picture_that_is_gone_is_a_pair_with_a_problem(folder):
    pictures = Searchable(str(folder))
    (folder / "a.png").unlink()
    problems = {pair.key: pair.problem for pair in pictures.read(range(3))}
    assert problems == {"a.png": "missing file", "deep/er/b.PNG": "", "deep/c.png": ""}


def test_a_data_set_counts_with_all_its_splits(tmp_path):
    images = [(png(colour), n) for n, colour in enumerate(COLOURS)]
    write_dataset(tmp_path, {"train": images[:3], "test": images[3:]}, NAMES)
    pictures = Searchable(str(tmp_path))
    assert (pictures.name, pictures.total) == ("tiny", 5)
    assert [pair.image for pair in pictures.read([4, 0, 3])] == [png(COLOURS[n]) for n in (4, 0, 3)]
    assert shown_name(pictures.read([0])[0]) == "a caption"
    assert pictures.places(2).tolist() == [0, 2]
    assert pictures.checksum() == Searchable(str(tmp_path)).checksum()


def test_the_embedded_data_set_goes_by_its_name():
    assert Searchable("emoji").total > 8000


@pytest.mark.parametrize(("source", "message"), [("absent", "no folder"), ("", "no pictures")])
def test_what_has_no_pictures_is_refused(tmp_path, source, message):
    with pytest.raises(DatasetError, match=message):
        Searchable(str(tmp_path / source))
