"""From the members of a sample in a tar to a pair: its picture, captions and label."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tars.tar_headers import BLOCK, LINKS, Member, Take, members
from clipbench_tf.data.readers.tars.tar_index import PICTURES, TEXTS, Place, belongs, place
from clipbench_tf.data.readers.text import decoded

FIELDS = ("caption", "captions")  # of a .json member, where none is named


class Stretch(NamedTuple):
    """Bytes `start` to `stop` of a tar, and what reads them."""

    start: int
    stop: int
    take: Take


class _UnusableError(Exception):
    """Why a sample is no pair."""


class Samples:
    """Makes pairs of samples.

    Args:
        fields: those of the .json member that hold captions; none to take text members, and where
            there are none, `FIELDS`.
        picture: extension of the picture; empty for the one that there is.
        classes: names by the tar or folder that pictures of a class lie in, in the order of labels.
    """

    def __init__(
        self,
        fields: Sequence[str] = (),
        picture: bytes = b"",
        classes: Mapping[str, str] | None = None,
    ) -> None:
        self.fields, self.picture = tuple(fields), picture
        names = (classes or {}).items()
        self._classes = {place: (name, label) for label, (place, name) in enumerate(names)}

    def plain(self, prefix: str, stretches: Sequence[Stretch], in_json: bool) -> Pair:
        """The pair of a picture, behind the header that its name begins, and of a caption."""
        (start, stop, take), (begin, end, take_text) = stretches
        found = place(take(start, 100).partition(b"\0")[0])
        key = _key(prefix, found.key if found else b"@%d" % start)
        image, raw = take(start + BLOCK, stop - start - BLOCK), take_text(begin, end - begin)
        if not found or len(image) < stop - start - BLOCK or len(raw) < end - begin:
            return Pair(key=key, problem="truncated archive")
        try:
            texts = _in_json(raw, self.fields or FIELDS) if in_json else [decoded(raw)]
        except _UnusableError as reason:
            return Pair(key=key, problem=str(reason))
        return self._pair(key, image, texts)

    def other(self, prefix: str, stretches: Sequence[Stretch], problem: str) -> Pair:
        """The pair of all members in `stretches`, or what is known to be its problem.

        A picture with a class, by number or by its place, needs no caption.
        """
        contents = [
            (found, member, take)
            for start, stop, take in stretches
            for member in members(take, start, stop)
            if (found := belongs(member))
        ]
        key = _key(prefix, contents[0][0].key if contents else b"@%d" % stretches[0].start)
        try:
            if problem:
                raise _UnusableError(problem)
            pictures = [
                content
                for content in contents
                if content[0].form in PICTURES and self.picture in (b"", content[0].extension)
            ]
            if len(pictures) != 1:
                raise _UnusableError("several pictures" if pictures else "no picture")
            texts, label = self._captions(contents), _label(contents)
            return self._pair(key, _read(pictures[0]), texts, label)
        except _UnusableError as reason:
            return Pair(key=key, problem=str(reason))

    def _pair(self, key: str, image: bytes, texts: Sequence[str], label: int = -1) -> Pair:
        """The pair, of the class that its tar or folder is called by, where there is one."""
        for part in key.split("/")[:-1]:
            if part in self._classes:
                name, label = self._classes[part]
                texts = texts or [name]
        captions = tuple(filter(None, map(str.strip, texts)))
        if not captions and label < 0:
            return Pair(key=key, problem="no caption")
        return Pair(key=key, image=image, captions=captions, label=label)

    def _captions(self, contents: Sequence["_Content"]) -> list[str]:
        texts = [content for content in contents if content[0].form in TEXTS]
        if texts and not self.fields:
            texts.sort(key=lambda content: (len(content[0].extension), content[0].extension))
            return [decoded(_read(content)) for content in texts]
        fields = self.fields or FIELDS
        found = [_read(content) for content in contents if content[0].form == b"json"]
        return [text for raw in found for text in _in_json(raw, fields)]


_Content = tuple[Place, Member, Take]


def _read(content: _Content) -> bytes:
    _, member, take = content
    if member.kind in LINKS:
        raise _UnusableError("link in archive")
    data = take(member.data, member.size)
    if len(data) < member.size:
        raise _UnusableError("truncated archive")
    return data


def _label(contents: Iterable[_Content]) -> int:
    for content in contents:
        if content[0].form == b"cls":
            number = _read(content).strip()
            return int(number) if number.isdigit() and len(number) < 10 else -1
    return -1


def _in_json(raw: bytes, fields: Sequence[str]) -> list[str]:
    try:
        values = json.loads(decoded(raw))
    except (ValueError, RecursionError) as error:
        raise _UnusableError("bad JSON") from error
    found = [values.get(field) for field in fields] if isinstance(values, dict) else []
    lists = [value if isinstance(value, list) else [value] for value in found]
    return [text for texts in lists for text in texts if isinstance(text, str)]


def _key(prefix: str, key: bytes) -> str:
    return f"{prefix}/{decoded(key)}"
