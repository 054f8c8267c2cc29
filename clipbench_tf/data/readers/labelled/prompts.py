"""Prompts: sentences with a place for the name of a class."""

from collections.abc import Sequence
from pathlib import Path

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import imagenet
from clipbench_tf.data.readers.labelled.text_list import lines

SETS = ("clip1", "clip8", "clip80")  # files of these names lie beside this one (origin: see NOTICE)


def load(name: str) -> tuple[str, ...]:
    """The prompts of one of `SETS`, or of a file with a prompt a line.

    In each, `{}` stands once, for the class name. A file that is called as a set is "./clip80".

    Raises:
        DatasetError: for a name that is neither, and for a line without one `{}`, or that stands
            twice, as it would count double.
    """
    file = str(Path(__file__).with_name(f"{name}.txt")) if name in SETS else name
    if not files.exists(file):
        raise DatasetError(
            f"There are no prompts {name!r}; there are the sets {', '.join(SETS)}, or give a "
            f"file with a prompt a line, and {{}} in it for the class name."
        )
    first: dict[str, int] = {}
    for number, text in lines(file):
        places = text.count("{}")
        if places != 1:
            wrong = f"has {places} times {{}}, and must have one" if places else "has no {}"
            raise DatasetError(
                f"{file}, line {number}: {text!r} {wrong} for the class name; write it as in "
                f"'a photo of a {{}}.'."
            )
        if text in first:
            raise DatasetError(
                f"{file}, line {number}: {text!r} stands in line {first[text]} too; take one out, "
                f"as it would count double."
            )
        first[text] = number
    return tuple(first)


def fitting(ids: Sequence[str]) -> tuple[str, ...]:
    """The prompts of classes that come without any: CLIP's 80 if all are synsets of ImageNet."""
    return load("clip80") if imagenet.are_classes(ids) else Dataset.templates
