"""Which columns of a table hold the picture and its captions."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

from clipbench_tf.data.readers.dataset import DatasetError

# Names that say what they hold, and names that are taken for it where none of these is there;
# small letters, with _ for other characters between words.
IMAGE = (
    (
        *("image", "images", "image_path", "image_file", "image_name"),
        *("filename", "file_name", "filepath", "file_path"),
    ),
    ("file", "path", "img", "img_path", "img_file", "picture", "photo"),
)
CAPTION = (
    ("caption", "captions", "text", "texts"),
    ("title", "description", "sentence", "sentences", "comment", "alt", "alt_text"),
)
ADVICE = (
    "Name the columns behind the path, as in ?image=COLUMN&caption=COLUMN, or ?image=0&caption=1 "
    "for a table without a header."
)
Column = str | int


@dataclasses.dataclass(frozen=True)
class Columns:
    """Columns by name, or by number from 0 on; `problem` says why a row is no pair, if it is none.

    The captions of a row are those in all `captions` columns.
    """

    image: Column
    captions: tuple[Column, ...]
    key: Column | None = None
    label: Column | None = None
    problem: Column | None = None

    def numbered(self, names: Sequence[str]) -> "Columns":
        """The same by their numbers in `names`."""

        def number(column: Column) -> Column:
            return names.index(column) if isinstance(column, str) else column

        return Columns(
            number(self.image),
            tuple(number(column) for column in self.captions),
            None if self.key is None else number(self.key),
            None if self.label is None else number(self.label),
        )


def chosen(
    names: Sequence[str], options: Mapping[str, str], source: str, *, numbers: bool = True
) -> Columns:
    """The columns that `options` name (`image`, `caption`, `key`, `label`), else found by name.

    Args:
        names: of all columns.
        source: the table, for messages.
        numbers: whether an option may give a number, if no column is called so.

    Raises:
        DatasetError: if a column is not there, or it cannot be told which is meant.
    """
    named = {
        role: tuple(_named(names, options[role], role, source, numbers))
        for role in ("image", "caption", "key", "label")
        if role in options
    }
    for role, given in named.items():
        if len(given) > 1 and role != "caption":
            raise DatasetError(f"{source}: {role}={options[role]} names several columns; give one.")
    columns = Columns(
        image=named["image"][0] if "image" in named else _found(names, IMAGE, "image", source),
        captions=named.get("caption") or (_found(names, CAPTION, "caption", source),),
        key=named.get("key", (None,))[0],
        label=named.get("label", (None,))[0],
    )
    kinds = {type(column) for given in named.values() for column in given}
    if len(kinds) > 1 or (kinds == {int} and not {"image", "caption"} <= named.keys()):
        raise DatasetError(
            f"{source}: give all columns by name, or, for a table without a header, all by number."
        )
    return columns


def _named(
    names: Sequence[str], value: str, role: str, source: str, numbers: bool
) -> Iterator[Column]:
    for name in [value] if value in names else value.split(","):
        if names.count(name) == 1:
            yield name
        elif numbers and name.isdecimal() and int(name) < len(names):
            yield int(name)
        else:
            times = f"{names.count(name)} columns" if name in names else "no column"
            raise DatasetError(
                f"{source} has {times} {name!r}, which {role}= names; it has {_list(names)}."
            )


def _found(names: Sequence[str], wanted: Sequence[Sequence[str]], role: str, source: str) -> str:
    plain = {name: re.sub(r"[^a-z0-9]+", "_", name.strip().lower()) for name in names}
    for words in wanted:
        fitting = [name for name in names if plain[name] in words]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise DatasetError(
                f"{source}: {_list(fitting)} may all be the column for {role}=. {ADVICE}"
            )
    urls = [name for name in names if plain[name] in ("url", "urls", "image_url")]
    if role == "image" and urls:
        raise DatasetError(
            f"{source} has no column of picture files, but URLs in {urls[0]!r}: download them "
            f"first, with img2dataset, and open the folder that it makes."
        )
    raise DatasetError(
        f"{source}: no column looks like one for {role}=; it has {_list(names)}. {ADVICE}"
    )


def _list(names: Sequence[str]) -> str:
    """Names for a message: the first twenty, none longer than a line."""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(repr(name[:80]) for name in names[:20]) + more
