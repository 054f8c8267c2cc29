"""The classes of ImageNet-1k: their synsets, and CLIP's names for them (origin: see NOTICE)."""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from clipbench_tf.data.readers.dataset import DatasetError

FILE = Path(__file__).with_name("imagenet_classes.txt")
# The first picture of the validation set, and its class: a sea snake.
FIRST_PICTURE, FIRST_SYNSET = "ILSVRC2012_val_00000001.", "n01751748"


@functools.cache
def names() -> Mapping[str, str]:
    """CLIP's class names by synset, in the order of the synsets, which is that of the labels.

    Two names stand twice: "missile" (657 and 744) and "sunglasses" (836 and 837).
    """
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def are_classes(ids: Iterable[str]) -> bool:
    """Whether `ids` are synsets of ImageNet-1k, all or some of them."""
    found = set(ids)
    return bool(found) and found <= names().keys()


def are_names(classes: Iterable[str]) -> bool:
    """Whether `classes` are names of CLIP's list, none more often than there."""
    return Counter(classes) <= Counter(names().values())


def check_first(labels: Iterable[tuple[str, str]], source: str) -> None:
    """Refuses a wrong class of the first picture of the validation set.

    Args:
        labels: (path, class) of pictures; classes that are no synsets of ImageNet say nothing.
        source: where they come from, for the message.

    Raises:
        DatasetError: if it is another synset of ImageNet-1k.
    """
    for path, synset in labels:
        known = FIRST_PICTURE in path and path.rpartition("/")[2].startswith(FIRST_PICTURE)
        if known and synset in names() and synset != FIRST_SYNSET:
            raise DatasetError(
                f"By {source}, {path} is of {synset}, but it is of {FIRST_SYNSET}, a sea snake. "
                f"The labels are shifted or in another order: the numbers of "
                f"ILSVRC2012_validation_ground_truth.txt are those of ILSVRC's kit (see its "
                f"map_clsloc.txt or meta.mat), not of the sorted synsets."
            )
