"""Classes that have the same name: no picture can tell them apart."""

from collections.abc import Sequence

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled import imagenet
from clipbench_tf.data.text.cleaning import clean


def duplicates(classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The names that two or more classes have, with the numbers of these.

    Names are the same if their prompts are: cleaned (`cleaning.clean`), and in lower case, as
    tokenizers read them.
    """
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(classes):
        numbers.setdefault(clean(name).lower(), []).append(number)
    return {name: tuple(found) for name, found in numbers.items() if len(found) > 1}


def permitted(classes: Sequence[str]) -> bool:
    """Whether `classes` may share names: none do, or all are of CLIP's list for ImageNet.

    That list has "missile" and "sunglasses" twice, and CLIP's published results are with it. Such
    classes get equal scores, and a picture of one of them counts by the chance of a tie.
    """
    return imagenet.are_names(classes) or not duplicates(classes)


def refuse_duplicates(classes: Sequence[str], ids: Sequence[str]) -> None:
    """Refuses names that are not `permitted`.

    Args:
        ids: what the data calls the classes.

    Raises:
        DatasetError: naming two classes and the remedy.
    """
    if permitted(classes):
        return
    name, (first, second, *_) = next(iter(duplicates(classes).items()))
    raise DatasetError(
        f"The classes {ids[first]!r} and {ids[second]!r} (numbers {first} and {second}) are both "
        f"called {name!r}; rename one, or give names that differ by classnames."
    )
