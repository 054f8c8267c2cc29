"""The zip archives of torch.save (since PyTorch 1.6) and of torch.jit.save (TorchScript).

`NAME/data.pkl` describes the tensors, `NAME/data/KEY` are the bytes of each storage, uncompressed.
TorchScript's `NAME/code/` is not looked at.
"""

import io
import struct
import sys
import zipfile
from pathlib import Path

from clipbench_tf.conversion.reading import inert_pickle, state_dict, torch_globals
from clipbench_tf.conversion.reading.tensors import Problem, Storage, Tensors

_LOCAL = struct.Struct("<4s22xHH")  # signature, ..., bytes of the name and of the extra field


def read(path: Path) -> Tensors:
    """The tensors of the archive.

    Raises:
        Problem: if it is none, or cut short, or needs more than data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise Problem(
            f"is a zip archive that is cut short or damaged ({error}). Download or copy it again."
        ) from error
    return _Archive(path, members).tensors()


class _Archive:
    """A zip archive with a `data.pkl` in it, read by the places of its members."""

    def __init__(self, path: Path, members: list[zipfile.ZipInfo]) -> None:
        self.path, self.size = path, path.stat().st_size
        self.members = {member.filename: member for member in members}
        pickles = [n for n in self.members if n == "data.pkl" or n.endswith("/data.pkl")]
        if not pickles:
            raise _no_torch_archive(list(self.members))
        self.prefix = min(pickles, key=len).removesuffix("data.pkl")
        self.swapped = self._byte_order() != sys.byteorder

    def tensors(self) -> Tensors:
        pickle = io.BytesIO(self._content("data.pkl"))
        content = inert_pickle.load(pickle, find=torch_globals.find, persistent=self._storage)
        return state_dict.tensors(content)

    def _storage(self, identity: object) -> Storage:
        key, storage = torch_globals.storage_of(identity)
        # Looked up among the members only: a key is never a path of the file system.
        start, size = self._place(f"data/{key}")
        if size < storage.size:
            raise Problem(
                f"declares {storage.size} bytes for {self.prefix}data/{key}, which has {size}. It "
                f"is damaged: download it again."
            )
        storage.path, storage.start, storage.swapped = self.path, start, self.swapped
        return storage

    def _place(self, name: str) -> tuple[int, int]:
        """Where the content of a member begins, and its bytes."""
        name = self.prefix + name
        if name not in self.members:
            raise Problem(f"lacks its part {name[:200]!r}. Download it again.")
        member = self.members[name]
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise Problem(
                f"is a compressed or encrypted archive ({name}), as PyTorch writes none. Unpack "
                f"it, and pack it again by: zip -0 -r FILE FOLDER."
            )
        with open(self.path, "rb") as file:
            file.seek(member.header_offset)
            header = file.read(_LOCAL.size).ljust(_LOCAL.size, b"\0")
        signature, name_bytes, extra_bytes = _LOCAL.unpack(header)
        start = member.header_offset + _LOCAL.size + name_bytes + extra_bytes
        if signature != b"PK\3\4" or start + member.file_size > self.size:
            raise Problem(f"is damaged at its part {name}. Download or copy it again.")
        return start, member.file_size

    def _content(self, name: str) -> bytes:
        start, size = self._place(name)
        if size > inert_pickle.LARGEST:
            raise Problem(
                f"has a {name} of {size} bytes, which no checkpoint needs. Save the weights alone."
            )
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read(size)

    def _byte_order(self) -> str:
        """ "little", unless the archive says "big"; older versions of PyTorch do not say it."""
        if self.prefix + "byteorder" not in self.members:
            return "little"
        order = self._content("byteorder").decode("ascii", "replace").strip()
        if order not in ("little", "big"):
            raise Problem(f"has no known order of bytes, {order[:20]!r}. Download it again.")
        return order


def _no_torch_archive(names: list[str]) -> Problem:
    if names and all(name.endswith(".npy") for name in names):
        kind = "NumPy's, an .npz"
    elif any(name.endswith(".weights.h5") for name in names):
        kind = "Keras's, a .keras file"
    else:
        kind = f"another, with {', '.join(names[:5])[:200] or 'nothing'} in it"
    return Problem(
        f"is a zip archive, but none that torch.save wrote (which has a data.pkl): it is {kind}. "
        f"Give the checkpoint itself, unpacked if it was packed."
    )
