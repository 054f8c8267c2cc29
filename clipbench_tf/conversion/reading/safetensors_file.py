"""Files of the safetensors format: the bytes of a JSON header, the header, then the tensors.

The header is read here and not by the package, whose NumPy interface has no bfloat16.
"""

import json
import math
from pathlib import Path

import numpy as np

from clipbench_tf.conversion.reading.tensors import (
    BFLOAT16,
    Problem,
    Storage,
    StoredTensor,
    Tensors,
)

LARGEST_HEADER = 100_000_000  # bytes, as the format says
_DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": BFLOAT16,
    "BOOL": np.dtype(np.bool_),
    **{f"I{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
}


def is_one(head: bytes) -> bool:
    """Whether a file that begins with `head` is of this format, complete or not."""
    return int.from_bytes(head[:8], "little") <= LARGEST_HEADER and head[8:9] == b"{"


def read(path: Path) -> Tensors:
    """The tensors of the file.

    Raises:
        Problem: if it is cut short or damaged.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length)
    try:
        entries = json.loads(header) if len(header) == length else None
    except (ValueError, RecursionError) as error:
        raise _damaged(f"its header is no JSON, {error}") from error
    if entries is None:
        raise Problem(f"is cut short after {size} bytes. Download or copy it again.")
    entries.pop("__metadata__", None)
    return Tensors({n: _stored(path, size, 8 + length, n, entry) for n, entry in entries.items()})


def _stored(path: Path, size: int, data: int, name: str, entry: object) -> StoredTensor:
    """The tensor that a header's `entry` describes; the tensors begin at byte `data` of `size`."""
    try:
        kind, shape = str(entry["dtype"]), tuple(entry["shape"])  # type: ignore[index]
        begin, end = entry["data_offsets"]  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(f"its header says nothing that is known about {name}") from error
    if kind not in _DTYPES:
        raise Problem(
            f"holds {name} as {kind}, a quantised or other form that is not read. Save it again "
            f"in float32, float16 or bfloat16."
        )
    dtype = _DTYPES[kind]
    if len(shape) > 32 or any(type(n) is not int or n < 0 for n in (*shape, begin, end)):
        raise _damaged(f"its header has no sound sizes for {name}")
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise _damaged(f"{name} has {end - begin} bytes and the shape {list(shape)[:32]} of {kind}")
    if data + end > size:
        raise Problem(f"is cut short after {size} bytes, in {name}. Download or copy it again.")
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return StoredTensor(Storage(dtype, end - begin, path, data + begin), dtype, 0, shape, strides)


def _damaged(what: str) -> Problem:
    return Problem(f"is a damaged safetensors file: {what}. Download it again.")
