"""Reads the tensors of checkpoints of PyTorch, TorchScript and safetensors. Start here."""

import os
from pathlib import Path

from clipbench_tf.conversion.reading import (
    folders,
    safetensors_file,
    torch_legacy,
    torch_zip,
    unreadable,
)
from clipbench_tf.conversion.reading.tensors import (
    CheckpointFormatError,
    Problem,
    StoredTensor,
    Tensors,
)

__all__ = ["CheckpointFormatError", "Tensors", "read"]

_HEAD = 512  # bytes that tell the format


def read(path: Path) -> Tensors:
    """The tensors of a checkpoint, which are read from it one at a time.

    The format is told by content. Nothing in a file is ever executed.

    Args:
        path: a file, or an index of shards, or a folder that holds one of `folders.CANDIDATES`.

    Raises:
        CheckpointFormatError: if it cannot be read, or needs more than data.
    """
    path = Path(path)
    try:
        file = folders.checkpoint_in(path) if path.is_dir() else path
    except Problem as problem:
        raise CheckpointFormatError(f"The folder {path} {problem}") from problem
    try:
        return _file(file)
    except Problem as problem:
        raise CheckpointFormatError(f"{file} {problem}") from problem


def _file(path: Path) -> Tensors:
    """The tensors of a file, or of the shards whose index it is."""
    head, _ = _ends(path)
    return _sharded(path) if head.lstrip().startswith(b"{") else _single(path)


def _single(path: Path) -> Tensors:
    """The tensors of one file, by its first bytes."""
    head, tail = _ends(path)
    # Before the pickles: the length of a header can begin with the byte with which they do.
    if safetensors_file.is_one(head):
        return safetensors_file.read(path)
    if head.startswith(b"PK\3\4"):
        return torch_zip.read(path)
    if head.startswith(b"\x80"):
        return torch_legacy.read(path)
    raise unreadable.problem(path, head, tail)


def _ends(path: Path) -> tuple[bytes, bytes]:
    """The first bytes of a file, and the last."""
    if not path.is_file():
        if path.with_name(path.name + ".index").is_file():
            raise Problem("is the prefix of a TensorFlow checkpoint, and no checkpoint of PyTorch.")
        raise Problem("is no file and no folder. Correct the path, or download the checkpoint.")
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        file.seek(-min(_HEAD, len(head)), os.SEEK_END)
        return head, file.read(_HEAD)


def _sharded(index: Path) -> Tensors:
    """The tensors of all shards that the index file names."""
    stored: dict[str, StoredTensor] = {}
    beside: set[str] = set()
    with open(index, "rb") as file:
        shards = folders.shards(index, file.read(safetensors_file.LARGEST_HEADER))
    for shard, names in shards.items():
        try:
            tensors = _single(shard)
        except Problem as problem:
            raise CheckpointFormatError(f"{shard} {problem}") from problem
        lacking = [name for name in names if name not in tensors]
        if lacking:
            raise Problem(
                f"says that {shard.name} holds {lacking[0]!r}, which it does not. Download both "
                f"again, of the same version."
            )
        stored |= {name: tensors.stored(name) for name in names}
        beside |= set(tensors.beside)
    return Tensors(stored, tuple(beside))
