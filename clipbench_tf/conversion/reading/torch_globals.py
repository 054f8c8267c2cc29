"""The names in PyTorch's pickles that are known, and the plain data that stands for each here."""

from collections.abc import Callable, Sequence

import numpy as np

from clipbench_tf.conversion.reading.inert_pickle import RESAVE, Global, Holder, mapping
from clipbench_tf.conversion.reading.tensors import BFLOAT16, Problem, Storage, StoredTensor

_BYTES = np.dtype(np.uint8)
_DTYPES = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "float16": np.dtype(np.float16),
    "bfloat16": BFLOAT16,
    "uint8": _BYTES,
    "bool": np.dtype(np.bool_),
    **{f"int{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": np.dtype(f"u{bits // 8}") for bits in (16, 32, 64)},
}
_STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


def find(module: str, name: str) -> object:
    """What `name` of `module` stands for; classes of TorchScript are holders of attributes.

    Raises:
        Problem: if it is not in the table.
    """
    if (module, name) in _TABLE:
        return _TABLE[module, name]
    if module == "__torch__" or module.startswith("__torch__."):
        return Global(name, _held)
    whole = f"{module}.{name}"[:200]
    if module in ("torch", "torch.storage", "torch._utils") and (
        name.endswith("Storage") or name.startswith(("q", "float8", "complex", "_rebuild_"))
    ):
        raise Problem(
            f"holds tensors of a kind that is not read, {whole}: quantised, sparse, complex or "
            f"float8 ones. Save it again with dense weights in float32, float16 or bfloat16."
        )
    raise Problem(f"names {whole}, which is no part of a state dict. {RESAVE}")


def storage_of(identity: object) -> tuple[str, Storage]:
    """Key and storage that a persistent id describes, without its place in a file.

    It is ("storage", type, key, device, elements), and maybe more.

    Raises:
        Problem: if it describes anything else.
    """
    kind, dtype, key, _, elements = identity[:5] if isinstance(identity, tuple) else [None] * 5
    if (
        kind != "storage"
        or not isinstance(dtype, np.dtype)
        or not isinstance(key, str)
        or type(elements) is not int
        or elements < 0
    ):
        raise Problem(f"refers to what is no storage of a tensor. {RESAVE}")
    return key, Storage(dtype, elements * dtype.itemsize)


def _tensor(
    storage: Storage,
    offset: int,
    shape: Sequence[int],
    strides: Sequence[int],
    gradient: object = None,
    hooks: object = None,
    metadata: object = None,
) -> StoredTensor:
    """The view that `_rebuild_tensor` and `_rebuild_tensor_v2` make."""
    return _view(storage, storage.dtype, offset, shape, strides, metadata)


def _tensor_of_dtype(
    storage: Storage,
    offset: int,
    shape: Sequence[int],
    strides: Sequence[int],
    gradient: object,
    hooks: object,
    dtype: np.dtype,
    metadata: object = None,
) -> StoredTensor:
    """The view that `_rebuild_tensor_v3` makes: the storage is of bytes."""
    return _view(storage, dtype, offset, shape, strides, metadata)


def _view(
    storage: Storage,
    dtype: np.dtype,
    offset: int,
    shape: Sequence[int],
    strides: Sequence[int],
    metadata: object,
) -> StoredTensor:
    # The arguments are whatever the file says they are.
    if not isinstance(storage, Storage) or not isinstance(dtype, np.dtype):
        raise TypeError("a tensor has no storage or no dtype")
    if metadata:
        raise Problem(
            "holds conjugate or negative views. Save it again after tensor.resolve_neg()."
        )
    return StoredTensor(storage, dtype, offset, tuple(shape), tuple(strides))


def _parameter(tensor: StoredTensor, *_: object) -> StoredTensor:
    """The tensor of an nn.Parameter: (tensor, gradient, hooks) and maybe a state."""
    if not isinstance(tensor, StoredTensor):
        raise TypeError("a parameter has no tensor")
    return tensor


def _subclass(function: Global, _type: object, arguments: tuple, _state: object) -> object:
    """A tensor with attributes of its own, by the function that makes the tensor."""
    if not isinstance(function, Global):
        raise TypeError("a tensor has no function that makes it")
    return function.make(*arguments)


def _held(*_: object) -> Holder:
    return Holder()


def _dict(*_: object) -> dict:
    return {}


_TENSORS: dict[tuple[str, str], Callable[..., object]] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_dtype,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _subclass,
    ("torch", "Size"): tuple,
    ("collections", "OrderedDict"): mapping,
    ("collections", "Counter"): mapping,
    ("collections", "defaultdict"): _dict,
    ("easydict", "EasyDict"): _dict,
}
# What stands beside the weights: known, made nothing of.
_HELD = (
    ("torch", ("Tensor", "device")),
    ("torch.nn.parameter", ("Parameter",)),
    ("torch.serialization", ("_get_layout",)),
    ("torch.jit._pickle", ("build_intlist", "build_doublelist", "build_boollist")),
    ("torch.jit._pickle", ("build_tensorlist", "restore_type_tag")),
    ("argparse", ("Namespace",)),
    ("numpy", ("dtype", "ndarray")),
    *((f"numpy.{c}.multiarray", ("scalar", "_reconstruct")) for c in ("core", "_core")),
    *((f"numpy.{c}.numeric", ("_frombuffer",)) for c in ("core", "_core")),
    ("_codecs", ("encode",)),
    *((m, ("set", "frozenset", "bytearray", "complex")) for m in ("builtins", "__builtin__")),
    # What a defaultdict makes where a key is missing.
    *((m, ("dict", "list", "int", "float")) for m in ("builtins", "__builtin__")),
)
_TABLE: dict[tuple[str, str], object] = {
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
    **{
        (module, name): _DTYPES[dtype]
        for module in ("torch", "torch.cuda")
        for name, dtype in _STORAGES.items()
    },
    ("torch.storage", "UntypedStorage"): _BYTES,
    **{place: Global(".".join(place), make) for place, make in _TENSORS.items()},
    **{(module, n): Global(f"{module}.{n}", _held) for module, names in _HELD for n in names},
}
