import argparse
import collections
import json
import sys
import types

import ml_dtypes
import numpy as np
import pytest
import safetensors.torch
import torch

from clipbench_tf.conversion.reading.checkpoint import CheckpointFormatError, Tensors, read
from tests.conversion.reading import crafted
from tests.conversion.reading.modules import Pair

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
FORMATS = {
    "zip": {},
    "legacy": {"_use_new_zipfile_serialization": False},
    "protocol 4": {"pickle_protocol": 4},
    "protocol 5": {"pickle_protocol": 5},
}
every_format = pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)


def pair(dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    torch.manual_seed(1)
    return Pair().to(dtype).eval()


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def assert_equal(tensors: Tensors, expected: dict[str, torch.Tensor]) -> None:
    assert set(tensors) == set(expected)
    for name, tensor in expected.items():
        assert tensors.shape(name) == tuple(tensor.shape)
        value = tensors[name]
        assert value.dtype == as_numpy(tensor).dtype
        np.testing.assert_array_equal(value, as_numpy(tensor), err_msg=name)


@every_format
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_state_dict_is_read_as_torch_wrote_it(dtype, options, tmp_path):
    state = pair(dtype).state_dict()
    torch.save(state, tmp_path / "w.tar", **options)
    tensors = read(tmp_path / "w.tar")
    assert_equal(tensors, state)
    assert list(tensors) == list(state)
    assert tensors.beside == ()
    stored = {torch.bfloat16: ml_dtypes.bfloat16}.get(dtype, str(dtype).removeprefix("torch."))
    assert tensors.dtype("visual.scale") == np.dtype(stored)


@every_format
def test_views_shared_storages_and_every_plain_dtype(options, tmp_path):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = {
        "base": base,
        "transposed": base.T,
        "slice": base[1:3, ::2],
        "scalar": base[2, 3],
        "repeated": base[0, :1].expand(5),
        "parameter": torch.nn.Parameter(base[3]),
        "empty": torch.zeros(0, 3),
        "zero": torch.tensor(7),
        "true": torch.tensor([True, False]),
        **{
            str(kind): torch.arange(3).to(kind)
            for kind in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
        },
    }
    torch.save(state, tmp_path / "w.pt", **options)
    tensors = read(tmp_path / "w.pt")
    assert_equal(tensors, state)
    tensors["slice"][:] = 0  # each is an array of its own
    np.testing.assert_array_equal(tensors["base"], base)


def test_unsigned_numbers_which_torch_stores_in_its_third_way(tmp_path):
    for options in (FORMATS["zip"], FORMATS["legacy"]):
        state = {"a": torch.arange(9).to(torch.uint16)[2:7], "b": torch.arange(3).to(torch.uint64)}
        torch.save(state, tmp_path / "w.pt", **options)
        assert_equal(read(tmp_path / "w.pt"), state)


def training_checkpoint(key: str, monkeypatch) -> tuple[dict, dict]:
    """A checkpoint after a step, with what trainers put beside the weights, and the weights."""
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    easydict = types.ModuleType("easydict")
    easydict.EasyDict = type("EasyDict", (dict,), {"__module__": "easydict"})
    monkeypatch.setitem(sys.modules, "easydict", easydict)
    weights = collections.OrderedDict(
        (f"module.{name}", tensor) for name, tensor in module.state_dict().items()
    )
    counts = collections.defaultdict(list)
    counts["a"].append(1)
    content = {
        "last_iter": 5,
        key: weights,
        "optimizer": optimizer.state_dict(),
        "epoch": np.float64(3.5),
        "config": easydict.EasyDict(lr=1e-3, inner=easydict.EasyDict(size=torch.Size([2, 3]))),
        "args": argparse.Namespace(lr=0.1, device=torch.device("cpu"), dtype=torch.float16),
        "others": [{1, 2}, b"bytes", bytearray(b"x"), 1 + 2j, None, np.arange(3), counts],
    }
    return content, weights


@every_format
@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_training_checkpoints_give_the_weights_and_name_the_rest(
    key, options, monkeypatch, tmp_path
):
    content, weights = training_checkpoint(key, monkeypatch)
    torch.save(content, tmp_path / "ckpt.pth.tar", **options)
    tensors = read(tmp_path / "ckpt.pth.tar")
    assert_equal(tensors, weights)
    assert tensors.beside == ("args", "config", "epoch", "last_iter", "optimizer", "others")


def test_what_is_no_tensor_in_a_state_dict_is_named_beside(tmp_path):
    torch.save({"model": {"a": torch.ones(1), "extra": 3}, "epoch": 1}, tmp_path / "w.pt")
    assert read(tmp_path / "w.pt").beside == ("epoch", "extra")


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("way", ["script", "trace"])
def test_torchscript_archives_are_flattened_to_the_state_dict(way, half, tmp_path):
    module = pair(torch.float16 if half else torch.float32)
    example = torch.randn(3, 2, 8).to(module.proj.dtype)
    made = torch.jit.script(module) if way == "script" else torch.jit.trace(module, example)
    torch.jit.save(made, tmp_path / "ViT-B-32.pt")
    assert_equal(read(tmp_path / "ViT-B-32.pt"), module.state_dict())


def test_modules_that_contain_each_other_are_refused(tmp_path):
    module = b"c__torch__\nM\n)\x81q\0"
    itself = b"\x80\x02" + module + b"}" + crafted.text("a") + b"h\0sb."
    # 40 levels, each of which holds the next one twice.
    twice = crafted.text("x") + b"h\1s" + crafted.text("y") + b"h\1s"
    bomb = b"\x80\x02c__torch__\nM\n)\x81q\1" + b"c__torch__\nM\n)\x81}%bbq\1" * 40 + b"."
    for content in (itself, bomb.replace(b"%b", twice)):
        with pytest.raises(CheckpointFormatError, match="contain each other"):
            read(crafted.scripted(tmp_path / "x.pt", content))


def test_views_of_storages_in_the_oldest_files(tmp_path):
    view = crafted.text("view") + crafted.number(1) + crafted.number(3) + b"\x87"
    body = crafted.tensor((2,), (1,), 1, stored=crafted.storage(more=view))
    data = np.arange(4, dtype=np.float32).tobytes()
    tensors = read(crafted.legacy(tmp_path / "w.pt", crafted.program(body), data))
    np.testing.assert_array_equal(tensors["weight"], [2, 3])


def test_an_archive_of_a_machine_with_the_other_order_of_bytes(tmp_path):
    content = crafted.program(crafted.tensor((2, 2), (2, 1)))
    data = np.arange(4, dtype=">f4").tobytes()
    path = crafted.zipped(tmp_path / "w.pt", content, data, byteorder=b"big")
    np.testing.assert_array_equal(read(path)["weight"], [[0, 1], [2, 3]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_safetensors_by_its_own_writer(dtype, tmp_path):
    state = {name: t.contiguous() for name, t in pair(dtype).state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "w.bin", metadata={"format": "pt"})
    assert_equal(read(tmp_path / "w.bin"), state)


def test_names_and_shapes_are_known_without_the_data(tmp_path):
    for name, save in (("a.pt", torch.save), ("a.safetensors", safetensors.torch.save_file)):
        save({"a": torch.ones(2, 3)}, tmp_path / name)
        tensors = read(tmp_path / name)
        (tmp_path / name).write_bytes(b"")
        assert "a" in tensors and "b" not in tensors and len(tensors) == 1
        assert tensors.shape("a") == (2, 3)
        with pytest.raises(CheckpointFormatError, match="shorter"):
            tensors["a"]


def sharded(folder, suffix: str, save) -> dict[str, torch.Tensor]:
    state = {f"layer.{i}": torch.full((2,), float(i)) for i in range(4)}
    files = {name: f"part-{i % 2}.{suffix}" for i, name in enumerate(state)}
    for file in set(files.values()):
        save({name: state[name] for name in state if files[name] == file}, folder / file)
    index = folder / f"model.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return state


@pytest.mark.parametrize(
    ("suffix", "save"), [("safetensors", safetensors.torch.save_file), ("bin", torch.save)]
)
def test_shards_are_read_by_their_index_and_a_missing_one_is_named(suffix, save, tmp_path):
    state = sharded(tmp_path, suffix, save)
    index = tmp_path / f"model.{suffix}.index.json"
    assert_equal(read(tmp_path), state)
    assert_equal(read(index), state)
    (tmp_path / f"part-1.{suffix}").unlink()
    with pytest.raises(CheckpointFormatError, match=rf"index\.json names 2 .*part-1\.{suffix} is"):
        read(tmp_path)
    index.write_text(json.dumps({"weight_map": {"nowhere": f"part-0.{suffix}"}}))
    with pytest.raises(CheckpointFormatError, match="holds 'nowhere', which it does not"):
        read(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "../part"}}))
    with pytest.raises(CheckpointFormatError, match=r"outside its folder, '\.\./part'"):
        read(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": index.name}}))
    with pytest.raises(CheckpointFormatError, match="no checkpoint"):
        read(tmp_path)


def test_a_folder_gives_its_checkpoint_safetensors_first(tmp_path):
    torch.save({"torch": torch.ones(1)}, tmp_path / "open_clip_pytorch_model.bin")
    assert list(read(tmp_path)) == ["torch"]
    torch.save({"transformers": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    assert list(read(tmp_path)) == ["transformers"]
    one = {"open_clip": torch.ones(1)}
    safetensors.torch.save_file(one, tmp_path / "open_clip_model.safetensors")
    assert list(read(tmp_path)) == ["open_clip"]
    safetensors.torch.save_file({"safe": torch.ones(1)}, tmp_path / "model.safetensors")
    assert list(read(tmp_path)) == ["safe"]


def test_a_folder_without_one_says_what_was_looked_for(tmp_path):
    with pytest.raises(CheckpointFormatError, match=r"model\.safetensors.*it is empty"):
        read(tmp_path)
    (tmp_path / "epoch_32.pt").touch()
    with pytest.raises(CheckpointFormatError, match=r"it has epoch_32\.pt\. Give the"):
        read(tmp_path)
    (tmp_path / "checkpoint").touch()
    with pytest.raises(CheckpointFormatError, match="a TensorFlow checkpoint"):
        read(tmp_path)
