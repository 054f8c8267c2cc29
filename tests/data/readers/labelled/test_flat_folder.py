"""ImageNet's validation set as people have it: pictures in one folder, and a list of labels."""

import logging

import numpy as np
import pytest

from clipbench_tf.data import sources
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import imagenet
from clipbench_tf.data.readers.labelled.class_folders import open_class_folders
from clipbench_tf.data.readers.pair import Pair
from tests.data.readers.labelled.test_class_folders import draw

SYNSETS, NAMES = list(imagenet.names()), list(imagenet.names().values())
SNAKE = SYNSETS.index("n01751748")
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
# The classes of the pictures 1 to 6 in these tests.
CLASSES = [SNAKE, 970, 230, 0, 970, 999]
# Some order that is not sorted, with the kit's number of the sea snake.
KIT = np.random.default_rng(0).permutation(1000).tolist()
KIT.remove(SNAKE)
KIT.insert(489, SNAKE)


def picture(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def labels(dataset: Dataset, split: str = "all") -> dict[str, int]:
    reader = dataset.split(split)
    found = [Pair.of(record) for record in reader.read(0, 0, reader.examples)]
    assert all(pair.captions == (dataset.classes[pair.label],) for pair in found)
    return {pair.key.rpartition("/")[2]: pair.label for pair in found}


EXPECTED = {picture(number): label for number, label in enumerate(CLASSES, 1)}
SYNSET_LINES = "".join(f"{SYNSETS[label]}\n" for label in CLASSES)
KIT_LINES = "".join(f"{KIT.index(label) + 1}\n" for label in CLASSES)
MAP = "".join(f"{SYNSETS[label]} {n} name_{n}\n" for n, label in enumerate(KIT, 1))
SOLUTION = "ImageId,PredictionString\n" + "".join(
    f"{picture(number)[:-5]},{SYNSETS[label]} 1 2 3 4 {SYNSETS[label]} 5 6 7 8 \n"
    for number, label in reversed([*enumerate(CLASSES, 1)])
)


@pytest.fixture
def val(tmp_path):
    draw(tmp_path / "imagenet/val", *EXPECTED)
    return tmp_path / "imagenet/val"


def by_synset(dataset: Dataset) -> dict[str, str]:
    return {key: dataset.ids[label] for key, label in labels(dataset).items()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("val/ILSVRC2012_validation_synset_labels.txt", SYNSET_LINES),
        ("imagenet_2012_validation_synset_labels.txt", SYNSET_LINES.replace("\n", "\r\n")),
        ("LOC_val_solution.csv", SOLUTION),
        ("../LOC_val_solution.csv", SOLUTION),
    ],
)
def test_the_list_of_synsets_beside_the_pictures_or_above_is_found(name, text, val):
    (val.parent / name).write_text(text)
    dataset = sources.load(str(val))
    assert by_synset(dataset) == {key: SYNSETS[label] for key, label in EXPECTED.items()}
    present = sorted(set(CLASSES))
    assert dataset.classes == tuple(NAMES[label] for label in present)
    assert len(dataset.templates) == 80


@pytest.mark.parametrize("place", [".", "ILSVRC2012_devkit_t12/data"])
def test_the_kits_numbers_are_read_by_its_own_list_of_classes(place, val):
    folder = val.parent / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TRUTH).write_text(KIT_LINES)
    with pytest.raises(DatasetError, match=r"nothing tells which .*map_clsloc\.txt or meta\.mat"):
        sources.load(str(val))
    (folder / "map_clsloc.txt").write_text(MAP)
    dataset = sources.load(str(val))
    assert labels(dataset) == EXPECTED and dataset.ids == tuple(SYNSETS)
    assert dataset.classes == tuple(NAMES) and len(dataset.templates) == 80


def test_the_kits_list_may_be_a_matlab_file(val):
    io = pytest.importorskip("scipy.io")
    fields = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)]
    rows = [(n, SYNSETS[label], "some words") for n, label in enumerate(KIT, 1)]
    rows += [(1001, "n00001740", "entity")]  # above the classes
    io.savemat(val.parent / "meta.mat", {"synsets": np.array(rows, fields)[:, None]})
    (val.parent / TRUTH).write_text(KIT_LINES)
    dataset = sources.load(str(val))
    assert labels(dataset) == EXPECTED and dataset.ids == tuple(SYNSETS)
    for other in (b"no such file", bytes(1000)):
        (val.parent / "meta.mat").write_bytes(other)
        with pytest.raises(DatasetError, match=r"meta\.mat is no table of synsets"):
            sources.load(str(val))


def test_labels_may_count_sorted_synsets_from_0_beside_the_names_of_the_pictures(val):
    caffe = "".join(f"{picture(n)} {label}\n" for n, label in enumerate(CLASSES, 1))
    (val.parent / "val.txt").write_text(caffe)
    dataset = open_class_folders(str(val), {"labels": str(val.parent / "val.txt")})
    assert labels(dataset) == EXPECTED and dataset.classes == tuple(NAMES)


@pytest.mark.parametrize("shift", [1, -1, 424])
def test_numbers_that_count_something_else_are_refused(shift, val):
    shifted = "".join(f"{(label + shift) % 1000}\n" for label in CLASSES)
    (val.parent / TRUTH).write_text(shifted)
    with pytest.raises(DatasetError, match="nothing tells which classes they count"):
        sources.load(str(val))


def test_kit_numbers_are_not_taken_for_lines_of_sorted_names(val):
    (val.parent / TRUTH).write_text(KIT_LINES)
    names = val.parent / "names.txt"
    options = {"labels": str(val.parent / TRUTH), "classnames": str(names)}
    lines = [f"{synset} {name}" for synset, name in imagenet.names().items()]
    for listed in ([f"name {number}" for number in range(1000)], lines):
        names.write_text("\n".join(listed))
        with pytest.raises(DatasetError, match=r"of class 489, not of 65.*map_clsloc"):
            open_class_folders(str(val), options)
    (val / picture(1)).unlink()
    with pytest.raises(DatasetError, match="without that, this cannot be told"):
        open_class_folders(str(val), options)
    names.write_text(MAP)
    assert labels(open_class_folders(str(val), options)) == {
        key: label for key, label in EXPECTED.items() if key != picture(1)
    }


def test_a_part_of_the_pictures_is_labelled_by_their_numbers(val):
    (val.parent / "ILSVRC2012_validation_synset_labels.txt").write_text(SYNSET_LINES)
    for number in (1, 2, 4):
        (val / picture(number)).unlink()
    assert by_synset(sources.load(str(val))) == {
        picture(n): SYNSETS[CLASSES[n - 1]] for n in (3, 5, 6)
    }
    draw(val, picture(7))
    with pytest.raises(DatasetError, match=r"6 labels, but .* has 4 pictures"):
        sources.load(str(val))


def test_shifted_synsets_are_refused_by_the_first_picture(val):
    lines = SYNSET_LINES.splitlines(keepends=True)
    (val.parent / "LOC_val_solution.csv").write_text("".join([*lines[1:], lines[0]]))
    with pytest.raises(DatasetError, match=r"00000001\.JPEG is of n\d+, but it is of n01751748"):
        sources.load(str(val))


def test_pictures_in_the_wrong_class_folders_are_refused_by_the_first_picture(tmp_path):
    draw(tmp_path, f"n01440764/{picture(1)}", f"n01751748/{picture(2)}")
    with pytest.raises(
        DatasetError, match=r"By its folder, n01440764/.*0001\.JPEG is of n01440764"
    ):
        open_class_folders(str(tmp_path), {})


def test_without_a_list_of_labels_the_remedies_are_named(val, caplog):
    with pytest.raises(DatasetError, match=r"no list of their .*LOC_val_solution\.csv.*labels"):
        sources.load(str(val))
    draw(val.parent / "train", "n01440764/1.JPEG", "n01751748/2.JPEG")
    with caplog.at_level(logging.WARNING):
        assert list(sources.load(str(val.parent)).splits) == ["train"]
    assert "val has pictures in no folder of a class: left out. Give that folder" in caplog.text


def test_a_list_by_name_has_to_have_all_pictures(val):
    (val.parent / "LOC_val_solution.csv").write_text(SOLUTION.replace("val_00000004", "val_9"))
    with pytest.raises(DatasetError, match=r"no label for ILSVRC2012_val_00000004\.JPEG"):
        sources.load(str(val))


def test_labels_in_the_order_of_the_pictures_may_be_names_of_several_words(tmp_path):
    draw(tmp_path / "set", "1.jpg", "2.jpg", "3.jpg")
    (tmp_path / "labels.txt").write_text("hot dog\nbig_cat\nhot dog\n")
    dataset = open_class_folders(str(tmp_path / "set"), {"labels": str(tmp_path / "labels.txt")})
    assert dataset.classes == ("big cat", "hot dog")
    assert labels(dataset) == {"1.jpg": 1, "2.jpg": 0, "3.jpg": 1}
