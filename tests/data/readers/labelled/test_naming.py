"""Other names and prompts for a data set that is open, and names that classes share."""

import dataclasses
import json

import pytest

from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import imagenet, naming
from clipbench_tf.data.readers.labelled.described import open_described
from clipbench_tf.data.readers.labelled.tfds import open_tfds
from clipbench_tf.data.readers.pair import Pair
from tests.data.readers.labelled import test_tfds

NAMES = tuple(imagenet.names().values())
ANIMALS = Dataset("animals", {}, ("hot dog", "cat"), source="x", ids=("hot_dog", "cat"))


def file(folder, text: str) -> str:
    (folder / "list.txt").write_text(text, encoding="utf-8")
    return str(folder / "list.txt")


def test_names_and_prompts_are_replaced_in_a_copy(tmp_path):
    assert naming.with_names(ANIMALS, classnames=None, prompts=None) == ANIMALS
    given = file(tmp_path, "cat\tfeline\nhot_dog\tsausage\n")
    named = naming.with_names(ANIMALS, classnames=given, prompts="clip1")
    expected = dataclasses.replace(
        ANIMALS, classes=("sausage", "feline"), templates=("a photo of a {}.",)
    )
    assert named == expected and ANIMALS.classes == ("hot dog", "cat")
    assert (named.ids, named.source) == (ANIMALS.ids, "x")
    again = naming.with_names(named, classnames=given, prompts=None)
    assert (again.classes, again.templates) == (named.classes, named.templates)
    by_order = naming.with_names(ANIMALS, classnames=file(tmp_path, "a\nb\n"), prompts=None)
    assert (by_order.classes, by_order.templates) == (("a", "b"), ANIMALS.templates)


def test_classes_that_have_but_numbers_get_names_in_the_order_of_the_lines(tmp_path):
    tars = Dataset("tars", {})
    named = naming.with_names(tars, classnames="imagenet", prompts=None)
    assert named.classes == NAMES and len(named.templates) == 80
    assert len(naming.with_names(tars, classnames="imagenet", prompts="clip1").templates) == 1
    named = naming.with_names(tars, classnames=file(tmp_path, "dog\ncat\n"), prompts=None)
    assert (named.classes, named.templates) == (("dog", "cat"), Dataset.templates)
    named = naming.with_names(tars, classnames=file(tmp_path, "10\tc\n9\tb\n"), prompts=None)
    assert named.classes == ("b", "c")
    with pytest.raises(DatasetError, match="one class only, 'dog'"):
        naming.with_names(tars, classnames=file(tmp_path, "dog\n"), prompts=None)


def test_prompts_of_the_data_set_stay_where_it_has_its_own():
    own = dataclasses.replace(ANIMALS, classes=NAMES[:2], ids=(), templates=("my {}",))
    assert naming.with_names(own, classnames="imagenet", prompts=None).templates == ("my {}",)


def test_classes_with_the_same_name_are_found_and_only_clips_are_permitted():
    assert naming.duplicates(NAMES) == {"missile": (657, 744), "sunglasses": (836, 837)}
    assert naming.permitted(NAMES) and naming.permitted(["missile", "tench", "missile"])
    assert naming.duplicates(["Cat", "dog", "cat", "CAT "]) == {"cat": (0, 2, 3)}
    for classes in (["a", "a"], [*NAMES, "tench"], ["missile", "missile", "a"], ["a", "A"]):
        assert not naming.permitted(classes)
    assert naming.permitted(["a", "b"]) and naming.duplicates(["a", "b"]) == {}


def test_synsets_of_tensorflow_datasets_get_clips_names_and_prompts(tmp_path):
    features = test_tfds.several(image=test_tfds.IMAGE, label=test_tfds.label(2))

    def record(number):
        return test_tfds.example(image=["png"], label=[number % 2])

    folder = tmp_path / "imagenet2012/1.0.0"
    test_tfds.prepare(folder, features=features, record=record)
    (folder / "label.labels.txt").write_text("n01751748\nn01440764\n")
    dataset = open_tfds("tfds:imagenet2012", {"data_dir": str(tmp_path)})
    assert (dataset.ids, dataset.classes) == (("n01751748", "n01440764"), ("sea snake", "tench"))
    assert len(dataset.templates) == 80
    read = [Pair.of(record) for record in dataset.split("validation").read(0, 0, 2)]
    assert [(p.label, p.captions) for p in read] == [(0, ("sea snake",)), (1, ("tench",))]


def test_prepared_imagenet_may_hold_clips_names(tmp_path):
    content = {"splits": {}, "classes": list(NAMES)}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    assert open_described(str(tmp_path), "x").classes == NAMES
    content["classes"] = [*NAMES, "missile"]
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="'missile' stands twice"):
        open_described(str(tmp_path), "x")
