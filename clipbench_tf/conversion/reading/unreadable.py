"""What a file is that is no checkpoint, said so that its owner knows what to do."""

from pathlib import Path

from clipbench_tf.conversion.reading.tensors import Problem

_TENSORFLOW_INDEX = bytes.fromhex("57fb808b247547db")  # the last 8 bytes of a checkpoint's .index
_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<svg")
_READ = "PyTorch's (.pt, .bin, .tar, ...), TorchScript's and safetensors files are read"


def problem(path: Path, head: bytes, tail: bytes) -> Problem:
    """What is wrong with a file that begins with `head` (at least 512 bytes of it) and ends so."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return Problem("is empty. Download or copy it again.")
    if text.startswith(_PAGE):
        return Problem(
            "is a web page, saved in place of a checkpoint: open it in a browser to see why (often "
            "a login, a quota or a moved link), and download it again."
        )
    if text.startswith(b"version https://git-lfs"):
        return Problem(
            "is a Git LFS pointer, which stands for the checkpoint: run `git lfs pull` in the "
            "repository, or download the file itself."
        )
    if (
        tail.endswith(_TENSORFLOW_INDEX)
        or ".data-0" in path.name
        or text.startswith(b"model_checkpoint_path")
    ):
        return Problem(f"is of a TensorFlow checkpoint. {_READ}: give one of these.")
    if head[257:262] == b"ustar":
        return Problem(
            "is a tar: PyTorch's before 2017, to be loaded and saved again with a newer PyTorch, "
            "or an archive, to be unpacked first."
        )
    if head.startswith(b"\x89HDF"):
        return Problem(f"is an HDF5 file, such as Keras writes. {_READ}: give one of these.")
    if head.startswith(b"\x93NUMPY"):
        return Problem(f"is a NumPy array. {_READ}: give one of these.")
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")):
        return Problem("is a compressed file. Unpack it first.")
    return Problem(
        f"is no checkpoint (it begins with {head[:16]!r}). {_READ}: give one of these, or "
        f"download it again."
    )
