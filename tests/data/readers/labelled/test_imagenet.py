"""The list of ImageNet's classes, and which class the first validation picture is of."""

from collections import Counter

import pytest

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled import imagenet


def test_the_classes_are_a_thousand_in_the_order_of_their_synsets():
    names = imagenet.names()
    synsets = list(names)
    assert len(names) == 1000 and synsets == sorted(synsets)
    known = {
        0: "tench",
        1: "goldfish",
        65: "sea snake",
        134: "crane bird",
        517: "construction crane",
    }
    assert {number: names[synsets[number]] for number in known} == known
    assert synsets[65] == "n01751748" and synsets[999] == "n15075141"
    assert all(name == name.strip() and name for name in names.values())


def test_two_names_stand_twice_as_clip_has_them():
    names = list(imagenet.names().values())
    twice = {name: [n for n, other in enumerate(names) if other == name] for name in set(names)}
    twice = {name: numbers for name, numbers in twice.items() if len(numbers) > 1}
    assert twice == {"missile": [657, 744], "sunglasses": [836, 837]}


def test_some_of_the_synsets_are_classes_and_others_are_not():
    assert imagenet.are_classes(["n01440764", "n15075141"])
    assert not imagenet.are_classes(["n01440764", "n00000001"])
    assert not imagenet.are_classes([])
    assert imagenet.are_names(["missile", "tench", "missile"])
    assert not imagenet.are_names(["tench", "tench"])
    assert Counter(imagenet.names().values())["missile"] == 2


@pytest.mark.parametrize(
    ("synset", "wrong"), [("n01751748", False), ("n01440764", True), ("a", False)]
)
def test_the_first_validation_picture_is_a_sea_snake(synset, wrong):
    labels = [("val/x/ILSVRC2012_val_00000002.JPEG", "n01440764")]
    labels += [("val/x/ILSVRC2012_val_00000001.JPEG", synset)]
    if not wrong:
        return imagenet.check_first(labels, "labels.txt")
    with pytest.raises(DatasetError, match=r"By labels\.txt, .*0001\.JPEG is of n01440764, but"):
        imagenet.check_first(labels, "labels.txt")
