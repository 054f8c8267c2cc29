"""Which file of a folder is the checkpoint, and the shards that an index file names."""

import json
from pathlib import Path

from clipbench_tf.conversion.reading.tensors import Problem

# The first that is there is read. Those with a star are indexes of shards.
CANDIDATES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "*.safetensors.index.json",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
    "*.bin.index.json",
)


def checkpoint_in(folder: Path) -> Path:
    """The file of the folder to read.

    Raises:
        Problem: if there is none.
    """
    for pattern in CANDIDATES:
        if found := sorted(folder.glob(pattern)):
            return found[0]
    names = sorted(entry.name for entry in folder.iterdir())
    if "saved_model.pb" in names:
        raise Problem("is a SavedModel, and no PyTorch checkpoint. Give the original weights.")
    if "checkpoint" in names or any(name.endswith(".index") for name in names):
        raise Problem("holds a TensorFlow checkpoint, and none of PyTorch. Give the other one.")
    has = f"it has {', '.join(names[:8])}" if names else "it is empty"
    raise Problem(
        f"has no checkpoint under a name that is known ({', '.join(CANDIDATES)}); {has}. Give the "
        f"checkpoint file itself, or complete the download."
    )


def shards(index: Path, text: bytes) -> dict[Path, list[str]]:
    """The shards that an index file, whose content is `text`, names, and the tensors in each.

    Raises:
        Problem: if it is no index, or a shard is missing.
    """
    try:
        weight_map = json.loads(text)["weight_map"]
        files = {name: Path(file).name for name, file in weight_map.items()}
        outside = [file for name, file in weight_map.items() if file != files[name]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Problem(
            "is JSON text, and no index of shards (with a weight_map). Give the file of the "
            "weights, or the folder that holds it."
        ) from error
    if outside:
        raise Problem(f"names a shard outside its folder, {outside[0]!r}. Download it again.")
    result: dict[Path, list[str]] = {}
    for name, file in files.items():
        result.setdefault(index.parent / file, []).append(name)
    missing = [shard.name for shard in result if not shard.is_file()]
    if missing:
        raise Problem(
            f"names {len(result)} shards, of which {', '.join(missing)} {_is(missing)} not in "
            f"{index.parent}. Download what is missing."
        )
    return result


def _is(things: list[str]) -> str:
    return "is" if len(things) == 1 else "are"
