"""Classes and held-out drawings, by collections made up here."""

import hashlib

import pytest

from clipbench_tf.data.openclipart import classes
from clipbench_tf.data.openclipart.collection import Drawing
from clipbench_tf.data.openclipart.metadata import Metadata


def drawing(path: str, *keywords: str, links: tuple[str, ...] = ()) -> Drawing:
    digest = hashlib.sha256(path.encode()).hexdigest()
    return Drawing(path, digest, Metadata(keywords=keywords), links)


def several(folder: str, number: int, *keywords: str) -> list[list[Drawing]]:
    return [[drawing(f"{folder}/{n}.svg", *keywords)] for n in range(number)]


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (["animals/hen.svg"], "animals"),
        (["animals/birds/hen.svg"], "animals/birds"),
        (["signs/flags/europe/france/nice.svg"], "signs/flags"),
        (["animals/hen.svg", "animals/birds/hen.svg"], "animals/birds"),
        (["food/hen.svg", "animals/birds/hen.svg"], None),
        (["animals/birds/hen.svg", "animals/pets/hen.svg"], None),
        (["food/dairy/egg.svg"], "food"),
        (["food/dairy/egg.svg", "food/egg.svg"], "food"),
        (["food/dairy/hen.svg", "animals/birds/hen.svg"], None),
        (["hen.svg"], None),
    ],
)
def test_a_group_belongs_to_the_most_exact_folder_if_there_is_one(paths, folder):
    small = frozenset({"food/dairy"})
    linked = [drawing(paths[0], links=tuple(paths[1:]))]
    assert classes.folder_of(linked, small) == folder
    assert classes.folder_of([drawing(path) for path in paths], small) == folder


def test_folders_are_classes_if_they_are_large_and_nothing_in_them_is_a_class_of_its_own():
    groups = [
        *several("animals", 9),
        *several("animals/birds", 5),
        *several("animals/fish", 4),
        *several("food", 3),
        *several("food/dairy", 2),
        *several("office", 4),
        *[[drawing(f"animals/birds/b{n}.svg"), drawing(f"food/b{n}.svg")] for n in range(9)],
    ]
    found = classes.folder_classes(groups, least=5)
    assert {folder: len(members) for folder, members in found.items()} == {
        "animals/birds": 5,
        "food": 5,
    }


def test_look_alikes_count_once():
    groups = [[drawing(f"food/{n}.svg") for n in range(20)], *several("office", 5)]
    assert list(classes.folder_classes(groups, least=5)) == ["office"]


def test_a_class_is_named_with_the_keyword_that_tells_it_from_the_others():
    folders = {
        "animals/bugs": several("animals/bugs", 8, "Insect", "animal", "two words", "x1"),
        "animals/birds": [
            *several("animals/birds", 7, "bird", "animal"),
            [drawing("animals/birds/owl.svg", "owl", "animal")],
        ],
        "unsorted": [
            *several("unsorted", 7, "animal"),
            [drawing("unsorted/misc.svg", "unsorted")],
        ],
    }
    named = classes.named_classes(folders)
    assert list(named) == ["bird", "insect"]
    assert named["bird"] is folders["animals/birds"]
    assert named["insect"] is folders["animals/bugs"]


def test_a_name_goes_to_the_folder_that_it_fits_best_and_the_other_takes_its_next():
    folders = {
        "games/cards": several("games/cards", 8, "card"),
        "games/post": [
            *several("games/post", 4, "card", "post"),
            *[[drawing(f"games/post/p{n}.svg", "post")] for n in range(1)],
        ],
    }
    assert {n: len(groups) for n, groups in classes.named_classes(folders).items()} == {
        "card": 8,
        "post": 5,
    }


def test_splits_take_their_parts_of_each_class_up_to_a_limit_and_never_overlap():
    named = {"bird": several("birds", 20, "bird"), "flag": several("flags", 500, "flag")}
    splits = classes.hold_out(named)
    counts = {
        (split, name): sum(member == name for member, _ in members)
        for split, members in splits.items()
        for name in named
    }
    assert counts == {
        ("test", "bird"): 8,
        ("validation", "bird"): 2,
        ("test", "flag"): 60,
        ("validation", "flag"): 15,
    }
    paths = [d.path for members in splits.values() for _, group in members for d in group]
    assert len(paths) == len(set(paths)) == 85


def test_the_order_of_the_drawings_changes_nothing():
    groups = [[drawing(f"birds/{n}.svg"), drawing(f"birds/twin{n}.svg")] for n in range(40)]
    turned = [group[::-1] for group in groups[::-1]]
    results = [
        [
            (split, name, classes.first(group).path)
            for split, members in splits.items()
            for name, group in members
        ]
        for splits in (classes.hold_out({"bird": members}) for members in (groups, turned))
    ]
    assert results[0] == results[1] and len(results[0]) == 16 + 4
