"""Tars of ImageNet: labels by the names of tars and of folders in them, or by .cls."""

import pytest

from clipbench_tf.data import sources
from clipbench_tf.data.readers import index
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled.naming import with_names
from clipbench_tf.data.readers.pair import Pair
from tests.data.readers.tars.tar_files import pairs, write

FOLDERS = [
    ("n03773504/", ""),
    ("n03773504/ILSVRC2012_val_00000009.JPEG", "missile"),
    ("n01440764/ILSVRC2012_val_00000003.JPEG", "tench"),
    ("./n01440764/ILSVRC2012_val_00000004.JPEG", "another"),
]


def test_tars_that_are_called_by_synsets_are_classes(tmp_path):
    for synset in ("n04008634", "n01440764", "n03773504"):
        write(
            tmp_path / f"{synset}.tar", [(f"{synset}_{n}.JPEG", f"{synset} {n}") for n in (1, 22)]
        )
    dataset = sources.load(str(tmp_path))
    assert dataset.ids == ("n01440764", "n03773504", "n04008634")
    assert dataset.classes == ("tench", "missile", "missile") and len(dataset.templates) == 80
    found = [Pair.of(r) for part in range(3) for r in dataset.split("train").read(part, 0, 2)]
    for pair, number in zip(found, (1, 22) * 3, strict=True):
        synset = dataset.ids[pair.label]
        assert pair.key == f"{synset}/{synset}_{number}"
        assert pair.image.decode() == f"{synset} {number}"
        assert pair.captions == (dataset.classes[pair.label],) and not pair.problem
    assert [pair.label for pair in found] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("above", ["", "imagenet/val/"])
@pytest.mark.parametrize("kept", [1 << 40, 0])
def test_folders_in_a_tar_that_are_called_by_synsets_are_classes(
    above, kept, tmp_path, monkeypatch
):
    monkeypatch.setattr(index, "KEPT_FROM", kept)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = [(above + name, content) for name, content in FOLDERS[1:]]
    path = write(tmp_path / "val.tar", files)
    for _ in range(2):  # the second time from what was kept
        dataset = sources.load(str(path))
        assert dataset.classes == ("tench", "missile")
        assert [pair.label for pair in pairs(path)] == [1, 0, 0]
        assert [pair.image.decode() for pair in pairs(path)] == ["missile", "tench", "another"]


def test_a_folder_goes_before_a_number_that_counts_all_synsets(tmp_path):
    files = [*FOLDERS[1:], ("n03773504/ILSVRC2012_val_00000009.cls", "657")]
    assert [pair.label for pair in pairs(write(tmp_path / "val.tar", files))] == [1, 0, 0]


def test_numbers_in_cls_files_get_names_by_their_order(tmp_path):
    files = [("a.jpg", "x"), ("a.cls", "65"), ("b.jpg", "y"), ("b.cls", "0")]
    dataset = sources.load(str(write(tmp_path / "shard.tar", files)))
    assert (dataset.classes, dataset.ids) == ((), ())
    named = with_names(dataset, classnames="imagenet", prompts=None)
    read = [Pair.of(record) for record in named.split("test").read(0, 0, 2)]
    assert [named.classes[pair.label] for pair in read] == ["sea snake", "tench"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n01440764.tar", "holds tars: unpack it by `mkdir .*set; tar -xf .*set.tar -C .*set`"),
        ("ILSVRC2012_val_00000001.JPEG", "without its labels: unpack it .* list of labels beside"),
        ("val/ILSVRC2012_val_00000001.JPEG", "without its labels"),
    ],
)
def test_tars_without_labels_are_refused_with_the_command_that_helps(name, words, tmp_path):
    with pytest.raises(DatasetError, match=words):
        sources.load(str(write(tmp_path / "set.tar", [("readme", ""), (name, "data")])))


def test_other_tars_have_no_classes(tmp_path):
    one = write(tmp_path / "n01440764.tar", [("1.JPEG", "x")])
    other = write(tmp_path / "other.tar", [("n00000001/1.jpg", "x"), ("n01440764/2.jpg", "x")])
    for path in (one, other, write(tmp_path / "empty.tar", [("notes.md", "x")])):
        assert sources.load(str(path)).classes == ()
