"""Classes that have the same name: no picture can tell them apart."""

from collections.abc import Iterable, Sequence

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled import imagenet
from clipbench_tf.data.text.cleaning import clean


def duplicates(classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The names that two or more classes have, with the numbers of these.

    Names are the same if their prompts are: cleaned (`cleaning.clean`), and in lower case, as
    tokenizers read them.
    """
    return _shared(clean(name).lower() for name in classes)


def permitted(classes: Sequence[str]) -> bool:
    """Whether `classes` may share names: none do, or all are of CLIP's list for ImageNet.

    That list has "missile" and "sunglasses" twice, and CLIP's published results are with it. Such
    classes get equal scores, and a picture of one of them counts by the chance of a tie.
    """
    return imagenet.are_names(classes) or not duplicates(classes)


def refuse_duplicates(classes: Sequence[str], ids: Sequence[str]) -> None:
    """Refuses names that are the same to the letter, but for those of CLIP's list.

    "A" and "a" can be learned, if not told apart by prompts; so data may have both.

    Args:
        ids: what the data calls the classes.

    Raises:
        DatasetError: naming two classes and the remedy.
    """
    shared = _shared(map(clean, classes))
    if not shared or imagenet.are_names(classes):
        return
    name, (first, second, *_) = next(iter(shared.items()))
    raise DatasetError(
        f"The classes {ids[first]!r} and {ids[second]!r} (numbers {first} and {second}) are both "
        f"called {name!r}; rename one, or give names that differ by classnames."
    )


def _shared(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The names that stand twice or more, with their places."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return {name: tuple(found) for name, found in places.items() if len(found) > 1}
