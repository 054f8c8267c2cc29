"""Pickles made by hand, and the three containers of PyTorch with such a pickle in them."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

MAGIC = 0x1950A86A20F9469CFC6C
FLOATS = b"ctorch\nFloatStorage\n"


def text(value: str) -> bytes:
    """Pushes a string."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """Pushes an integer."""
    return b"\x8a\x0c" + value.to_bytes(12, "little", signed=True)


def storage(key: str = "0", elements: int = 4, kind: bytes = FLOATS, more: bytes = b"") -> bytes:
    """Pushes the storage that a persistent id describes."""
    what = text("storage") + kind + text(key) + text("cpu") + number(elements)
    return b"(" + what + more + b"tQ"


def tensor(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int = 0,
    stored: bytes | None = None,
) -> bytes:
    """Pushes a tensor that is a view of `stored`."""
    sizes = b"".join(b"(" + b"".join(map(number, part)) + b"t" for part in (shape, strides))
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + (storage() if stored is None else stored)
        + number(offset)
        + sizes
        + b"\x89NtR"
    )


def program(body: bytes, *, name: str = "weight") -> bytes:
    """A pickle of {name: what `body` pushes}."""
    return b"\x80\x02}" + text(name) + body + b"s."


def zipped(path: Path, content: bytes, data: bytes = bytes(16), **parts: bytes) -> Path:
    """An archive as torch.save writes it; `parts` are further members."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", data)
        for name, part in parts.items():
            archive.writestr(f"archive/{name}", part)
    return path


def scripted(path: Path, content: bytes) -> Path:
    """An archive as torch.jit.save writes it."""
    return zipped(path, content, **{"constants.pkl": b"\x80\x02).", "code/__torch__.py": b"!"})


def legacy(path: Path, content: bytes, data: bytes = bytes(16), keys: object = ("0",)) -> Path:
    """A file as torch.save wrote it before 1.6."""
    out = io.BytesIO()
    for value in (MAGIC, 1001, {"little_endian": True}):
        pickle.dump(value, out, protocol=2)
    out.write(content)
    pickle.dump(list(keys), out, protocol=2)
    out.write(struct.pack("<q", len(data) // 4) + data)
    path.write_bytes(out.getvalue())
    return path


CONTAINERS = (zipped, scripted, legacy)
