"""Files of torch.save before PyTorch 1.6: five pickles, and then the bytes of each storage."""

import io
import struct
from pathlib import Path

from clipbench_tf.conversion.reading import inert_pickle, state_dict, torch_globals
from clipbench_tf.conversion.reading.inert_pickle import RESAVE
from clipbench_tf.conversion.reading.tensors import Problem, Storage, Tensors

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LENGTH = struct.Struct("<q")


def read(path: Path) -> Tensors:
    """The tensors of the file.

    Raises:
        Problem: if it is another pickle, or cut short, or needs more than data.
    """
    with open(path, "rb") as file:
        return _File(path, file.read(inert_pickle.LARGEST)).tensors()


class _File:
    """A file whose first bytes are `head`; these contain all of its pickles."""

    def __init__(self, path: Path, head: bytes) -> None:
        self.path, self.pickles = path, io.BytesIO(head)
        self.views: dict[str, list[tuple[Storage, int, int]]] = {}  # (view, first element, all)

    def tensors(self) -> Tensors:
        if self._next() != _MAGIC:
            raise Problem(
                "is a pickle, but none that torch.save wrote. Give the file of the weights; if "
                f"this is it: {RESAVE}"
            )
        if (protocol := self._next()) != _PROTOCOL:
            raise Problem(f"is of an unknown version of the format, {protocol}. {RESAVE}")
        self._next()  # about the machine that wrote it; the order of bytes is always the same
        found = state_dict.tensors(self._next())
        self._find_storages(self._next())
        return found

    def _next(self) -> object:
        return inert_pickle.load(self.pickles, find=torch_globals.find, persistent=self._storage)

    def _storage(self, identity: object) -> Storage:
        key, storage = torch_globals.storage_of(identity)
        elements = all_elements = storage.size // storage.dtype.itemsize
        first = 0
        # Older versions have views of storages: (key of the view, first element, elements).
        if isinstance(identity, tuple) and len(identity) > 5 and identity[5] is not None:
            _, first, elements = identity[5]
            if type(first) is not int or type(elements) is not int:
                raise TypeError("a view has no place in its storage")
            if not 0 <= first <= first + elements <= all_elements:
                raise Problem(
                    "has a view that leaves its storage. It is damaged: download it again."
                )
            storage.size = elements * storage.dtype.itemsize
        storage.path = self.path
        self.views.setdefault(key, []).append((storage, first, all_elements))
        return storage

    def _find_storages(self, keys: object) -> None:
        """Walks over the storages, whose order `keys` tells, and notes where each begins."""
        if not isinstance(keys, list) or any(key not in keys for key in self.views):
            raise Problem("lacks some of its tensors. Download it again.")
        place, end = self.pickles.tell(), self.path.stat().st_size
        with open(self.path, "rb") as file:
            for key in keys:
                views = self.views.get(key)
                if not views:
                    raise Problem("has a tensor that it does not describe. Download it again.")
                file.seek(place)
                length = file.read(_LENGTH.size)
                if len(length) < _LENGTH.size:
                    raise _cut(end)
                place += _LENGTH.size
                sizes = {(storage.dtype, elements) for storage, _, elements in views}
                dtype, elements = sizes.pop()
                if sizes or _LENGTH.unpack(length) != (elements,):
                    raise Problem("says two sizes of a tensor. It is damaged: download it again.")
                for storage, first, _ in views:
                    storage.start = place + first * dtype.itemsize
                place += elements * dtype.itemsize
                if place > end:
                    raise _cut(end)


def _cut(end: int) -> Problem:
    return Problem(f"is cut short after {end} bytes. Download or copy it again.")
