"""The members of a tar, from their headers: POSIX (ustar, pax), GNU and version 7."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

BLOCK = 512  # bytes: headers, and what follows them, begin at multiples of it
REGULAR, LINKS, UNREADABLE = b"07\0", b"12", b"!"

_WITHOUT_DATA = b"123456"
_ABOUT = 1 << 20  # more bytes than a name and attributes have
_PADDING = 1 << 16  # more zeros than a writer puts at the end of an archive
Take = Callable[[int, int], bytes]  # (offset, length) -> bytes, fewer where the file ends before


class Member(NamedTuple):
    """A file in a tar.

    Attributes:
        start: where the first of its headers begins.
        data: where its content begins.
        size: bytes of that.
        name: with its folders.
        kind: one of `REGULAR`, `LINKS`, other letters, or `UNREADABLE`.
        simple: whether the name stands in the last header, at the front, as it is.
    """

    start: int
    data: int
    size: int
    name: bytes
    kind: bytes
    simple: bool

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.data + _padded(self.size)


def members(take: Take, at: int, end: int) -> Iterator[Member]:
    """The members whose headers begin from `at` on and before `end`.

    Where a header is damaged or cut, the last one is of kind `UNREADABLE`. An archive behind the
    end of another is read too.
    """
    start, name, size = at, b"", -1
    while at < end:
        header = take(at, BLOCK)
        if not header.strip(b"\0"):
            if not (at := _behind_zeros(take, at)):
                return
            start, header = at, take(at, BLOCK)
        kind, length, data = header[156:157], size_in(header), at + BLOCK
        if length < 0 or (kind in b"xL" and length > _ABOUT):
            yield Member(start, at, 0, b"", UNREADABLE, False)
            return
        if kind in b"xgLK":  # about the next member, or about all
            at = data + _padded(length)
            if kind == b"L":
                name = take(data, length).partition(b"\0")[0]
            elif kind == b"x":
                name, size = _attributes(take(data, length), name, size)
            continue
        if kind == b"S":
            data = _behind_sparse_map(take, at)
        length = 0 if kind in _WITHOUT_DATA else length if size < 0 else size
        simple = not name and not header[345]
        found = Member(start, data, length, name or _name(header), kind, simple)
        yield found
        start, name, size = found.end, b"", -1
        at = start


def size_in(header: bytes) -> int:
    """The bytes that follow a header, or -1 if it is none.

    Its checksum is asked only where the magic word is missing.
    """
    try:
        if len(header) < BLOCK:
            return -1
        if header[257:262] != b"ustar":
            checksum = int(header[148:156].strip(b" \0"), 8)
            if checksum != sum(header) - sum(header[148:156]) + 8 * ord(" "):
                return -1
        if header[124] & 0x80:  # base 256, from 8 GB on
            return int.from_bytes(header[125:136], "big")
        return int(header[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        return -1


def _padded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    if header[345] and header[257:263] == b"ustar\0":
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _attributes(records: bytes, name: bytes, size: int) -> tuple[bytes, int]:
    """Name and size of the next member, where a pax header ("length key=value\\n"s) has them."""
    if b"GNU.sparse" in records:
        return b"/", size  # what is stored is not the file itself: no name that anybody looks for
    if b"path=" not in records and b"size=" not in records:
        return name, size
    while records:
        length, space, _ = records.partition(b" ")
        if not space or not length.isdigit() or int(length) <= len(length):
            break
        key, _, value = records[len(length) + 1 : int(length) - 1].partition(b"=")
        if key == b"path":
            name = value
        elif key == b"size" and value.isdigit():
            size = int(value)
        records = records[int(length) :]
    return name, size


def _behind_sparse_map(take: Take, at: int) -> int:
    """Where the content of a sparse file in GNU tar's older form begins; its header is at `at`."""
    flag, at = take(at + 482, 1), at + BLOCK
    while flag.strip(b"\0"):  # a further block of the map follows
        flag, at = take(at + 504, 1), at + BLOCK
    return at


def _behind_zeros(take: Take, at: int) -> int:
    """Where another archive begins behind the zeros at the end of one; 0 if none does."""
    rest = take(at, _PADDING)
    at += (len(rest) - len(rest.lstrip(b"\0"))) // BLOCK * BLOCK
    return at if rest.strip(b"\0") and size_in(take(at, BLOCK)) >= 0 else 0
