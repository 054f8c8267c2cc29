"""Where the members of each sample of a tar are, from their headers alone."""

import array
import re
from typing import NamedTuple

import numpy as np
from absl import logging

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.index import Arrays
from clipbench_tf.data.readers.tars.tar_headers import (
    BLOCK,
    LINKS,
    REGULAR,
    UNREADABLE,
    Member,
    Take,
    members,
)

PICTURES = frozenset((b"jpg", b"jpeg", b"jpe", b"png", b"webp", b"gif", b"bmp", b"jxl"))
TEXTS = frozenset((b"txt", b"text"))
# What is known of a sample before it is read: `OTHER` ones are looked at member by member.
WITH_TEXT, WITH_JSON, OTHER, DUPLICATE, LARGE, CUT, DAMAGED = range(7)
LARGEST = 1 << 30  # bytes of a member that is read
NEAR = 1 << 16  # bytes that are read along rather than left out

_NONE, _PICTURE, _TEXT, _JSON, _CLASS, _ODD = range(6)  # what a member is to its sample
_ROLES = {
    **dict.fromkeys(PICTURES, _PICTURE),
    **dict.fromkeys(TEXTS, _TEXT),
    b"json": _JSON,
    b"cls": _CLASS,
}
_CHUNK = 1 << 20
_NOT_OURS = re.compile(rb"(?:^|/)(?:__MACOSX|PaxHeader)")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK")


class Place(NamedTuple):
    """The sample that a member belongs to, all of its extension, and the last part of that."""

    key: bytes
    extension: bytes
    form: bytes


def place(name: bytes) -> Place | None:
    """Takes a name apart; None if it is of no sample.

    As in WebDataset, a key ends at the first dot of the base name. Extensions are in lower case.
    Hidden files, those that systems add, and other extensions are of no sample.
    """
    folder, slash, base = name.rpartition(b"/")
    key, _, extension = base.partition(b".")
    extension = extension.lower()
    form = extension.rpartition(b".")[2]
    if not key or form not in _ROLES:
        return None
    if _NOT_OURS.search(folder):
        return None
    return Place((folder + slash).removeprefix(b"./") + key, extension, form)


def belongs(member: Member) -> Place | None:
    """`place` of its name, if it is a file or stands for one."""
    return place(member.name) if member.kind in REGULAR or member.kind in LINKS else None


def build(path: str, picture: bytes = b"", json: bool = False) -> Arrays:
    """The samples of a tar, in the order of their first members.

    Args:
        picture: extension of the pictures; empty for the one that a sample has.
        json: whether captions are in .json even where there is a .txt.

    Returns:
        `state`, uint8 [N]: one of `WITH_TEXT` and those that follow;
        `member`, uint32 [N, 4]: block and bytes of the picture, block and bytes of the caption, of
        `WITH_TEXT` and `WITH_JSON`;
        `other`, uint32 [K]: numbers of the samples in other states;
        `first`, uint32 [K + 1]: the k-th of them has stretches `first[k]` to `first[k + 1] - 1`;
        `stretch`, uint32 [E, 2]: their first blocks, and number of blocks.

    Raises:
        DatasetError: if the file is no tar.
    """
    length, take, member = files.size(path), window(path), None
    samples = _Samples(length, picture, json)
    for member in members(take, 0, length):
        samples.add(member)
    if not length or (member and member.kind == UNREADABLE and not member.data):
        raise _no_tar(path, take(0, 16))
    if member and (member.kind == UNREADABLE or member.end + BLOCK > length):
        samples.end(member)
        logging.warning(
            "%s is cut short or damaged at byte %d: %d samples of it are known, and what came "
            "after is lost. Copy or make it again.",
            path,
            min(member.end, length),
            len(samples.state),
        )
    return samples.arrays()


class _Samples:
    """Gathers members, in any order, into samples. A sample has one member of each extension."""

    def __init__(self, length: int, picture: bytes, json: bool) -> None:
        self.length, self.picture, self.json = length, picture, json
        self.numbers: dict[bytes, int] = {}
        self.held: list[bytes] = []  # the extensions of each sample, as b"/jpg/txt/"
        self.state = bytearray()
        self.owner, self.start, self.data, self.size = (array.array("q") for _ in range(4))
        self.role = bytearray()

    def add(self, member: Member) -> None:
        """Adds the next member of the archive."""
        if not (found := belongs(member)):
            return
        slot, extension, form = found
        state, size, held = WITH_TEXT, member.size, b"/%b/" % extension
        while (number := self.numbers.get(slot, -1)) >= 0 and held in self.held[number]:
            slot, state = slot + b"\0", DUPLICATE  # the next sample of this key
        if number < 0:
            number = self.numbers[slot] = self._new(state)
        self.held[number] += held[1:]
        if member.data + size > self.length:
            self.state[number], size = CUT, 0
        elif size > LARGEST:
            self.state[number], size = max(LARGE, self.state[number]), 0
        role = _ROLES[form]
        if role == _PICTURE and self.picture not in (b"", extension):
            role = _NONE
        elif member.kind in LINKS or (role == _PICTURE and not member.simple):
            role = _ODD
        self._append(number, member.start, member.data, size, role)

    def end(self, last: Member) -> None:
        """Takes note that nothing can be read behind `last`.

        A sample that lacks a picture or a text there is the one that was cut; otherwise, what is
        left of a header stands for the next.
        """
        number = self.owner[-1] if self.owner else -1
        held = self.held[number].split(b"/")[1:-1] if self.owner else []
        pictures = [extension.rpartition(b".")[2] in PICTURES for extension in held]
        if held and (all(pictures) or not any(pictures)):
            self.state[number] = CUT
        elif last.kind == UNREADABLE:
            damaged = last.data + BLOCK < self.length
            number = self._new(DAMAGED if damaged else CUT)
            self._append(number, last.start, last.start, 0, _NONE)

    def _new(self, state: int) -> int:
        self.held.append(b"/")
        self.state.append(state)
        return len(self.held) - 1

    def _append(self, number: int, start: int, data: int, size: int, role: int) -> None:
        self.owner.append(number)
        self.start.append(start)
        self.data.append(data)
        self.size.append(size)
        self.role.append(role)

    def arrays(self) -> Arrays:
        """See `build`."""
        owner, start, data, size = (
            np.array(column, np.int64) for column in (self.owner, self.start, self.data, self.size)
        )
        role = np.frombuffer(bytes(self.role), np.uint8)
        state = np.frombuffer(bytes(self.state), np.uint8).copy()

        def count(wanted: int) -> np.ndarray:
            return np.bincount(owner[role == wanted], minlength=len(state))

        caption = np.where((count(_TEXT) > 0) & (not self.json), _TEXT, _JSON)
        plain = (count(_PICTURE) == 1) & (count(_CLASS) + count(_ODD) == 0) & (state == WITH_TEXT)
        plain &= np.where(caption == _TEXT, count(_TEXT), count(_JSON)) == 1
        state[plain & (caption == _JSON)] = WITH_JSON
        state[~plain & (state == WITH_TEXT)] = OTHER
        member = np.zeros([len(state), 4], np.uint32)
        for column, rows in ((0, role == _PICTURE), (2, role == caption[owner])):
            rows &= plain[owner]
            member[owner[rows], column] = data[rows] // BLOCK
            member[owner[rows], column + 1] = size[rows]
        other = np.flatnonzero(state >= OTHER)
        rows = np.flatnonzero(~plain[owner])
        first, stretch = _stretches(owner[rows], rows, start[rows], (data + size)[rows])
        return {
            "state": state,
            "member": member,
            "other": other.astype(np.uint32),
            "first": first,
            "stretch": stretch,
        }


def _stretches(
    owner: np.ndarray, rows: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Joins members that are next to each other and of the same sample: (`first`, `stretch`)."""
    order = np.argsort(owner, kind="stable")
    owner, rows, start, stop = owner[order], rows[order], start[order], stop[order]
    apart = (np.diff(owner) != 0) | (np.diff(rows) != 1) | (start[1:] - stop[:-1] > NEAR)
    begins = np.flatnonzero(np.concatenate([[True], apart]))[: len(owner)]
    ends = np.flatnonzero(np.concatenate([apart, [True]]))[: len(owner)]
    blocks = -(-stop[ends] // BLOCK) - start[begins] // BLOCK
    changes = np.flatnonzero(np.diff(owner[begins], prepend=-1))
    first = np.append(changes, len(begins)).astype(np.uint32)
    return first, np.stack([start[begins] // BLOCK, blocks], axis=1).astype(np.uint32)


def window(path: str) -> Take:
    """Reads a file in chunks, forwards, and skips what is not asked for."""
    base, chunk = 0, b""

    def take(at: int, length: int) -> bytes:
        nonlocal base, chunk
        if at < base or at + length > base + len(chunk):
            base, chunk = at, files.read(path, at, max(length, _CHUNK))
        return chunk[at - base : at - base + length]

    return take


def _no_tar(path: str, begins: bytes) -> DatasetError:
    if not begins:
        return DatasetError(f"{path} is empty: copy or download it again.")
    if begins.startswith(_COMPRESSED):
        return compressed(path)
    return DatasetError(
        f"{path} is no tar archive, it begins with {begins!r}: copy or download it again."
    )


def compressed(path: str) -> DatasetError:
    """An error for a compressed archive."""
    return DatasetError(
        f"{path} is compressed, and so cannot be read from any place: unpack it, for .tar.gz with "
        f"gunzip, and name the .tar. Pictures hardly shrink by it anyway."
    )
