import io
import json
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import safetensors.torch
import tensorflow as tf
import torch

from clipbench_tf.conversion.reading.checkpoint import CheckpointFormatError, read
from tests.conversion.reading import crafted

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 345\n"
CONTENTS = {
    "is empty": b"",
    "is a web page": b"\n <!DOCTYPE html><html>Quota exceeded</html>",
    "is a web page, saved": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "is a Git LFS pointer": LFS,
    "is a compressed file": b"\x1f\x8b\x08" + bytes(50),
    "is an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "is a NumPy array": b"\x93NUMPY" + bytes(50),
    "is a pickle, but none that torch.save wrote": pickle.dumps({"a": 1}, 2),
    "begins with b'hello'": b"hello",
    "is JSON text": b'{"text_config": {}}',
    "is JSON text, and no": b'{"weight_map": [1]}',
}


def refused(path, match: str) -> None:
    with pytest.raises(CheckpointFormatError, match=match) as caught:
        read(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("message", CONTENTS)
def test_each_file_that_is_no_checkpoint_is_told_by_its_content(message, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(CONTENTS[message])
    refused(path, message)


def test_no_file_and_archives_of_other_kinds(tmp_path):
    refused(tmp_path / "nowhere.pt", "is no file and no folder")
    np.savez(tmp_path / "a.npz", a=np.ones(2))
    refused(tmp_path / "a.npz", r"NumPy's, an \.npz")
    for name, member in (("a.keras", "model.weights.h5"), ("a.zip", "photo.jpg")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, b"x")
        refused(tmp_path / name, "Keras's" if name == "a.keras" else r"photo\.jpg")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    refused(tmp_path / "a.tar", "is a tar")


def test_a_tensorflow_checkpoint(tmp_path):
    tf.train.Checkpoint(a=tf.Variable(1.0)).write(str(tmp_path / "ckpt"))
    refused(tmp_path / "ckpt", "prefix of a TensorFlow checkpoint")
    refused(tmp_path / "ckpt.index", "is of a TensorFlow checkpoint")
    refused(tmp_path / "ckpt.data-00000-of-00001", "is of a TensorFlow checkpoint")
    with pytest.raises(CheckpointFormatError, match="holds a TensorFlow checkpoint"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_file_that_is_cut_anywhere_is_refused(kind, tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    state = {"a": torch.arange(20.0), "b": torch.ones(3)}
    if kind == "safetensors":
        safetensors.torch.save_file(state, whole)
    else:
        torch.save(state, whole, _use_new_zipfile_serialization=kind == "zip")
    content = whole.read_bytes()
    for end in range(1, len(content)):
        part.write_bytes(content[:end])
        with pytest.raises(CheckpointFormatError, match=r"part .*(cut short|no checkpoint)"):
            read(part)


def test_compressed_archives_are_refused(tmp_path):
    content = crafted.program(crafted.tensor((2,), (1,)))
    with zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/data/0", bytes(1 << 24))
    refused(tmp_path / "w.pt", r"is a compressed or encrypted archive.*zip -0")


def test_a_storage_shorter_than_its_tensor_is_refused(tmp_path):
    content = crafted.program(crafted.tensor((2,), (1,)))
    refused(crafted.zipped(tmp_path / "w.pt", content, bytes(8)), "declares 16 bytes .* has 8")
    refused(crafted.legacy(tmp_path / "w.pt", content, bytes(8)), "says two sizes")


def test_quantised_and_sparse_tensors_are_refused(tmp_path):
    path = tmp_path / "w.pt"
    quantised = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    for state in ({"a": quantised}, {"a": torch.eye(3).to_sparse()}, {"a": torch.ones(1) * 1j}):
        torch.save(state, path)
        refused(path, "quantised, sparse, complex or float8")
    torch.save({"a": torch.ones(2).to(torch.float8_e4m3fn)}, path)
    refused(path, "float8")
    safetensors.torch.save_file({"a": torch.ones(2).to(torch.float8_e4m3fn)}, path)
    refused(path, "holds a as F8_E4M3")


def test_a_pickled_module_is_refused_with_the_remedy(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    refused(tmp_path / "w.pt", r"names torch\.nn\.modules\.linear\.Linear.*state_dict\(\)")


@pytest.mark.parametrize("content", [3, [torch.ones(1)], torch.ones(1), {}, {"a": {"b": 1}}])
def test_files_without_a_state_dict_are_refused(content, tmp_path):
    torch.save(content, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "no state dict")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F32", "shape": [1 << 50], "data_offsets": [0, 8]}, "has 8 bytes and the shape"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}, "is cut short"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, -8]}, "no sound sizes"),
        ({"dtype": "F32", "shape": [1] * 40, "data_offsets": [0, 4]}, "no sound sizes"),
        ({"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}, "nothing that is known about a"),
        ({"dtype": "F32", "shape": [2]}, "nothing that is known about a"),
        (3, "nothing that is known about a"),
    ],
)
def test_a_crafted_safetensors_header_is_refused(entry, message, tmp_path):
    header = json.dumps({"a": entry}).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(8)
    (tmp_path / "w.safetensors").write_bytes(content)
    refused(tmp_path / "w.safetensors", message)
