"""Gives the classes of a data set their names and prompts."""

import dataclasses
from collections.abc import Mapping, Sequence

from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import prompts as prompt_sets
from clipbench_tf.data.readers.labelled.class_names import SHIPPED, class_names
from clipbench_tf.data.readers.labelled.duplicates import duplicates, permitted

__all__ = ["duplicates", "named", "permitted", "with_names"]


def named(
    ids: Sequence[str], options: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(class names, prompts) of the classes that the data calls `ids`.

    Args:
        ids: see `class_names`.
        options: `classnames`, a file of them or "imagenet", and `templates`, a set or a file of
            prompts (see `prompts.load`); by default what suits `ids`.

    Raises:
        DatasetError: if a file has mistakes, or two classes have the same name.
    """
    classnames, templates = options.get("classnames"), options.get("templates")
    names = class_names(ids, classnames)
    if templates:
        return names, prompt_sets.load(templates)
    if classnames == SHIPPED:
        return names, prompt_sets.load("clip80")
    return names, prompt_sets.fitting(ids)


def with_names(dataset: Dataset, *, classnames: str | None, prompts: str | None) -> Dataset:
    """The same data set, of whatever form, with other class names, other prompts, or both.

    Args:
        dataset: stays as it is.
        classnames: a file (see `class_names.listed`), whose lines name the classes in their order,
            or begin with what the data calls them (`Dataset.ids`, or else their names now); or
            "imagenet", for CLIP's names. Where the data has only numbers for classes, as tars
            have, the names are those of 0, 1, ...
        prompts: a set or a file, see `prompts.load`. Without it, they stay; but with "imagenet"
            the default becomes CLIP's 80.

    Raises:
        DatasetError: if there are not as many names as classes, only one, or two the same.
    """
    names, templates = dataset.classes, dataset.templates
    if classnames:
        names = class_names(dataset.ids or dataset.classes, classnames)
        if len(names) < 2:
            raise DatasetError(
                f"{classnames} has one class only, {names[0]!r}; to tell classes apart takes two "
                f"or more."
            )
        if classnames == SHIPPED and templates == Dataset.templates:
            templates = prompt_sets.load("clip80")
    if prompts:
        templates = prompt_sets.load(prompts)
    return dataclasses.replace(dataset, classes=names, templates=templates)
