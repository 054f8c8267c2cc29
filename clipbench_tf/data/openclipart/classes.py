"""Classes for zero-shot evaluation, made by rule from folders and keywords.

The package sorts its drawings into folders, which give the classes: those of the second level, or
of the first where it has none with enough drawings. What lies beside such a folder is left out, as
an animal that is not in `animals/birds` may be a bird all the same; so is a drawing that is found
in several folders. Folders have names such as `meats_and_eggs`, which no author writes. A class is
therefore named with the keyword that the authors give its drawings and no others, as far as there
is one ("protein"); a folder that no keyword stands for (`unsorted`) is no class.

A class gives two fifths of its drawings to the test and a tenth to validation, chosen by the
checksums of their files. Only one of several drawings that look the same is held out, and the
others are not trained on either. Drawings of one series (cards, jigsaw pieces in four colours) do
lie on both sides. Every version of the training captions, however filtered, is
evaluated on these same pictures and names.
"""

from collections import Counter
from collections.abc import Iterable

from clipbench_tf.data.openclipart.collection import Drawing

# Drawings that look different, at least, in a class.
LEAST = 20
# How well (F1) a keyword must tell the drawings of a folder from the others with a class.
LEAST_AGREEMENT = 0.5
TEMPLATES = ("{}", "a drawing of {}", "clip art of {}")
# Part of a class and most drawings of it, so that none outweighs the others.
SHARES = {"test": (0.4, 60), "validation": (0.1, 15)}

Group = list[Drawing]  # drawings that look the same


def folder_of(group: Group, small: frozenset[str] = frozenset()) -> str | None:
    """The one folder, of at most two levels, where all of `group` is found, or None.

    A folder in `small` counts as the one that it lies in; a folder beside one inside of it is the
    less exact of the two, and does not count.
    """
    folders = set()
    for drawing in group:
        for path in (drawing.path, *drawing.links):
            folder = _folder(path)
            folders.add(folder.split("/")[0] if folder in small else folder)
    exact = {f for f in folders if not any(other.startswith(f"{f}/") for other in folders)}
    return exact.pop() or None if len(exact) == 1 else None


def folder_classes(groups: Iterable[Group], least: int = LEAST) -> dict[str, list[Group]]:
    """The folders that are classes, with their groups."""
    groups = list(groups)
    sizes = Counter(folder_of(group) for group in groups)
    folders = {_folder(path) for g in groups for d in g for path in (d.path, *d.links)}
    small = frozenset(folder for folder in folders if sizes[folder] < least)
    found: dict[str, list[Group]] = {}
    for group in groups:
        folder = folder_of(group, small)
        if folder:
            found.setdefault(folder, []).append(group)
    large = {folder: members for folder, members in found.items() if len(members) >= least}
    return {
        folder: members
        for folder, members in sorted(large.items())
        if not any(other.startswith(f"{folder}/") for other in large)
    }


def named_classes(folders: dict[str, list[Group]]) -> dict[str, list[Group]]:
    """The classes by the keyword that stands for each, in alphabetical order.

    Keywords are single words of letters, in lower case. Folders choose in the order of how well
    their best keyword fits; a name that is taken goes to no other.
    """
    words = {folder: Counter(w for g in gs for w in _words(g)) for folder, gs in folders.items()}
    total = sum(words.values(), Counter())
    scores = [
        (2 * count / (total[word] + len(folders[folder])), word, folder)
        for folder, counts in words.items()
        for word, count in counts.items()
    ]
    names: dict[str, str] = {}
    for score, word, folder in sorted(scores, key=lambda s: (-s[0], len(s[1]), s[1:])):
        if score >= LEAST_AGREEMENT and folder not in names and word not in names.values():
            names[folder] = word
    return {word: folders[folder] for folder, word in sorted(names.items(), key=lambda n: n[1])}


def hold_out(classes: dict[str, list[Group]]) -> dict[str, list[tuple[str, Group]]]:
    """The groups of each split in SHARES, with their class names."""
    splits: dict[str, list[tuple[str, Group]]] = {split: [] for split in SHARES}
    for name, groups in classes.items():
        order = sorted(groups, key=lambda group: first(group).digest)
        start = 0
        for split, (part, most) in SHARES.items():
            end = start + min(most, int(part * len(groups)))
            splits[split] += [(name, group) for group in order[start:end]]
            start = end
    return splits


def first(group: Group) -> Drawing:
    """The drawing that stands for `group`, whatever their order."""
    return min(group, key=lambda drawing: drawing.digest)


def _folder(path: str) -> str:
    """The first two levels of the folder that `path` lies in."""
    return "/".join(path.split("/")[:-1][:2])


def _words(group: Group) -> set[str]:
    words = {word.lower() for word in first(group).metadata.keywords}
    return {word for word in words if word.isascii() and word.isalpha()}
