"""A data set: splits of pairs, and what an evaluation needs to know of their classes."""

import dataclasses

from clipbench_tf.data.readers.reader import Reader

# Names under which a data set that is not divided gives all its pairs.
WHOLE = ("train", "validation", "test")


class DatasetError(ValueError):
    """A data set that cannot be used; the message names it and the remedy."""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Splits by name. `classes[label]` is a class name, `templates` make prompts of it.

    `source` is what `sources.load` was given. A data set that is not divided has one split, "all".
    `ids[label]` is what the data itself calls a class, such as a synset, where that is known.
    """

    name: str
    splits: dict[str, Reader]
    classes: tuple[str, ...] = ()
    templates: tuple[str, ...] = ("a photo of a {}",)
    source: str = dataclasses.field(default="", compare=False)
    ids: tuple[str, ...] = ()

    def scored(self) -> list[str]:
        """The splits that an evaluation scores unless told otherwise.

        They are test and zero_shot, or else all that are not for training, or else all.
        """
        held_out = [name for name in self.splits if name != "train"]
        return [n for n in ("test", "zero_shot") if n in self.splits] or held_out or ["train"]

    def split(self, name: str) -> Reader:
        """The split called `name`; one of `WHOLE` is all of a data set that is not divided.

        Raises:
            DatasetError: if there is none.
        """
        if name in WHOLE and list(self.splits) == ["all"]:
            return self.splits["all"]
        if name not in self.splits:
            raise DatasetError(
                f"Data set {self.name} has no split {name!r}; it has {', '.join(self.splits)}."
            )
        return self.splits[name]
