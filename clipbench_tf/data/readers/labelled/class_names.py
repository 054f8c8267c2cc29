"""The names of classes: those that a file lists, CLIP's for ImageNet, or those of the folders."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unicodedata import normalize

from absl import logging

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled import imagenet, text_list
from clipbench_tf.data.readers.labelled.duplicates import refuse_duplicates

SHIPPED = "imagenet"  # in place of a file: CLIP's names
SYNSET = re.compile(r"n\d{8}")
# "n02119789 kit fox", also as in ILSVRC's kit, "n02119789 1 kit_fox"; others with a tab.
_NAMED = re.compile(r"(n\d{8})[\s,]+(?:\d+\s+)?(\S.*)|([^\t]+)\t\s*(\S.*)")


class Entry(NamedTuple):
    """A name in a file, and the class before it, as the data calls it, or ""."""

    id: str
    name: str


def class_names(ids: Sequence[str], file: str | None = None) -> tuple[str, ...]:
    """The names of the classes that the data calls `ids`, in this order.

    Without a file they are CLIP's if all `ids` are synsets of ImageNet, and else the `ids`, with
    spaces for underscores.

    Args:
        ids: names of folders, synsets, or what else stands in the data; none if it has only
            numbers, which are then as many as the names, in the order of `ordered` or of the lines.
        file: see `listed`; or `SHIPPED`, for CLIP's names of synsets or of the numbers 0 to 999.

    Raises:
        DatasetError: if a class has no name, or two the same that CLIP's list has not.
    """
    if file == SHIPPED:
        names = _shipped(ids)
    elif file:
        names = tuple(_from_file(file, ids))
    else:
        names = _own(ids)
    refuse_duplicates(names, ids or names)
    return names


def listed(file: str, ids: Iterable[str] = ()) -> list[Entry]:
    """The classes in a file, in its order.

    It has a name a line, or lines "n01440764 tench", "n01440764 449 tench", "<id><tab><name>" or,
    if the first word of any is one of `ids`, "<id>,<name>". Or it is JSON: a list of names, {id:
    name}, or {number: [synset, name]} as Keras has it. Underscores stand for spaces.

    Raises:
        DatasetError: if it cannot be read, or a line has an id and others have none.
    """
    if (value := text_list.parsed(file)) is not None:
        return _of_json(file, value)
    lines = text_list.lines(file)
    known = set(map(same, ids))
    commas = any(same(line.text.partition(",")[0]) in known for line in lines if "," in line.text)
    found = [_entry(line.text, commas) for line in lines]
    plain = [line for line, entry in zip(lines, found, strict=True) if not entry.id]
    if plain and len(plain) < len(lines):
        raise DatasetError(
            f"{file}, line {plain[0].number}: {plain[0].text!r} stands alone, but other names have "
            f"a folder or synset before them; write one before each, with a tab between, or before "
            f"none."
        )
    return found


def ordered(ids: Iterable[str]) -> list[str]:
    """`ids` sorted, and by value if all are numbers, so that 10 comes after 9."""
    found = sorted(ids)
    return sorted(found, key=int) if all(map(str.isdecimal, found)) else found


def spaced(name: str) -> str:
    """`name` with spaces for underscores, and one between two words."""
    return " ".join(name.replace("_", " ").split())


def same(name: str) -> str:
    """What two forms of a name have in common, such as the two of an é."""
    return normalize("NFC", spaced(name))


def some(names: Iterable[str]) -> str:
    """Up to ten names, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - 10} more" if len(found) > 10 else ""
    return ", ".join(found[:10]) + more


def _own(ids: Sequence[str]) -> tuple[str, ...]:
    known = imagenet.names()
    if imagenet.are_classes(ids):
        logging.info("The classes are synsets of ImageNet, and get the names that CLIP uses.")
        return tuple(known[synset] for synset in ids)
    if ids and all(SYNSET.fullmatch(name) for name in ids):
        logging.warning(
            "The classes are called %s, ...: prompts of synsets will not read well. Give their "
            "names by classnames (not of ImageNet-1k: %s).",
            ids[0],
            some(name for name in ids if name not in known),
        )
    elif len(ids) == len(known) and all(map(str.isdecimal, ids)):
        logging.warning(
            "The classes are called %s, ...: prompts of numbers will not read well. Give their "
            "names by classnames, or classnames=imagenet if they count ImageNet's synsets from 0.",
            ids[0],
        )
    return tuple(map(spaced, ids))


def _shipped(ids: Sequence[str]) -> tuple[str, ...]:
    known = imagenet.names()
    if imagenet.are_classes(ids):
        return tuple(known[synset] for synset in ids)
    numbers = [int(name) if name.isdecimal() else -1 for name in ids]
    if not ids or numbers == list(range(len(known))):
        return tuple(known.values())
    if imagenet.are_names(ids):
        return tuple(ids)
    kit = numbers == list(range(1, len(known) + 1))
    raise DatasetError(
        f"{SHIPPED!r} names synsets such as n01440764, or classes 0 to {len(known) - 1}, but these "
        f"are {some(ids)}. "
        + (
            "Numbers from 1 on may be those of ILSVRC's kit, whose order is another; call the "
            "folders by their synsets."
            if kit
            else "Give a file with their names."
        )
    )


def _from_file(file: str, ids: Sequence[str]) -> list[str]:
    """The name of each class."""
    entries = listed(file, ids)
    if entries[0].id:
        known: dict[str, str] = {}
        for entry in entries:
            if known.setdefault(same(entry.id), entry.name) != entry.name:
                raise DatasetError(f"{file} has two names for the class {entry.id!r}; give one.")
        wanted = ids or ordered(known)
        if missing := [name for name in wanted if same(name) not in known]:
            raise DatasetError(f"{file} has no name for {some(missing)}; add a line for each.")
        return [known[same(name)] for name in wanted]
    if ids and len(entries) != len(ids):
        raise DatasetError(
            f"{file} has {len(entries)} names, but there are {len(ids)} classes, from {ids[0]} to "
            f"{ids[-1]}; give one for each, or begin each line with the folder, as in "
            f"'n01440764 tench'."
        )
    return [entry.name for entry in entries]


def _entry(text: str, commas: bool) -> Entry:
    if match := _NAMED.fullmatch(text):
        return Entry(match[1] or match[3].strip(), spaced(match[2] or match[4]))
    key, comma, name = text.partition(",")
    if commas and comma and name.strip():
        return Entry(key.strip(), spaced(name))
    return Entry("", spaced(text))


def _of_json(file: str, value: list | dict) -> list[Entry]:
    rows: Sequence = [("", name) for name in value] if isinstance(value, list) else [*value.items()]
    if isinstance(value, dict) and all(isinstance(name, list) for name in value.values()):
        rows = [*value.values()]
    good = all(len(row) == 2 and all(isinstance(part, str) for part in row) for row in rows)
    if not good or not all(spaced(name) for _, name in rows):
        raise DatasetError(f"{file} is no JSON list of class names, nor an object of names by id.")
    return [Entry(key, spaced(name)) for key, name in rows]
