"""Finds the named tensors in what a PyTorch file holds: a state dict, or a TorchScript module."""

from collections.abc import Iterator

from clipbench_tf.conversion.reading.inert_pickle import Holder
from clipbench_tf.conversion.reading.tensors import Problem, StoredTensor, Tensors

NESTED = ("state_dict", "model_state_dict", "model")  # where trainers put the state dict
_DEEPEST = 64
_MOST_ATTRIBUTES = 1 << 20


def tensors(content: object) -> Tensors:
    """The tensors of a file whose unpickled `content` this is.

    Args:
        content: a state dict, or a dict that holds one under one of `NESTED`, or the tree of
            modules of a TorchScript archive.

    Raises:
        Problem: if there are none.
    """
    if isinstance(content, Holder):
        found, beside = dict(_attributes(content)), list[str]()
    elif isinstance(content, dict):
        found, beside = _of_state_dict(content)
    else:
        raise Problem(f"holds a {type(content).__name__} and no state dict. {_REMEDY}")
    if not found:
        held = ", ".join(beside[:10]) or "nothing"
        raise Problem(f"holds no state dict, that is no tensors by name; it has: {held}. {_REMEDY}")
    return Tensors(found, tuple(beside))


_REMEDY = "Save it again with torch.save(model.state_dict(), ...), or as safetensors."


def _of_state_dict(content: dict) -> tuple[dict[str, StoredTensor], list[str]]:
    """The tensors of the innermost state dict, and the names of everything else."""
    beside: list[str] = []
    for _ in range(_DEEPEST):
        inner = next((key for key in NESTED if isinstance(content.get(key), dict)), None)
        if inner is None:
            break
        beside += [_name(key) for key in content if key != inner]
        content = content[inner]
    found = {}
    for key, value in content.items():
        if isinstance(key, str) and isinstance(value, StoredTensor):
            found[key] = value
        else:
            beside.append(_name(key))
    return found, beside


def _name(key: object) -> str:
    return key if isinstance(key, str) else repr(key)[:100]


def _attributes(module: Holder) -> Iterator[tuple[str, StoredTensor]]:
    """The tensors among the attributes of `module` and of those in it, by dotted names."""
    left = [("", module, 0)]
    seen = 0
    while left:
        prefix, holder, depth = left.pop()
        seen += len(holder.attributes) + 1
        if depth > _DEEPEST or seen > _MOST_ATTRIBUTES:
            raise Problem(
                "holds modules that contain each other, or too many. It is no sound TorchScript "
                "archive: download it again."
            )
        inner = []
        for name, value in holder.attributes.items():
            if isinstance(value, StoredTensor):
                yield prefix + name, value
            elif isinstance(value, Holder):
                inner.append((f"{prefix}{name}.", value, depth + 1))
        left += reversed(inner)
