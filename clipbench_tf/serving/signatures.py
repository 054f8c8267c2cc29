"""The signatures of a SavedModel as its file states them: names, types, shapes and defaults."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from clipbench_tf.export.card import ExportError
from clipbench_tf.export.saved_encoders import CLASS
from clipbench_tf.serving.errors import RequestError

DEFAULT = "serving_default"
# Requests are joined along these inputs. All outputs of a signature that has one of them have its
# rows first.
PICTURES, PROMPTS = "image", "prompts"
JOINED = (PICTURES, "text", PROMPTS)
_ROWS = (1, 8)  # of first requests
Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One input or output.

    Attributes:
        dtype: of TensorFlow.
        shape: None where a side may have any length; None for any number of sides.
        default: of an input that may be left out.
    """

    dtype: tf.DType
    shape: tuple[int | None, ...] | None
    default: np.ndarray | None = None

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of `shape` may stand here."""
        return self.shape is None or (
            len(shape) == len(self.shape)
            and all(want in (None, got) for want, got in zip(self.shape, shape, strict=True))
        )

    def __str__(self) -> str:
        sides = "any" if self.shape is None else [-1 if n is None else n for n in self.shape]
        return f"{self.dtype.name} {sides}"


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function that the model offers, by the names of its tensors."""

    name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    @functools.cached_property
    def required(self) -> list[str]:
        """The inputs without a default."""
        return [name for name, tensor in self.inputs.items() if tensor.default is None]

    @functools.cached_property
    def joined(self) -> str | None:
        """The input along whose rows requests may be joined, if there is one."""
        found = [name for name in JOINED if name in self.required and self.inputs[name].shape]
        return found[0] if len(found) == 1 else None

    def shared(self, inputs: Arrays) -> Arrays | None:
        """`inputs` with nothing but `joined` for each row, or None if that cannot be.

        An input with a default may have a row more than it, one for each of the request: the row
        format gives it so. Where these are equal, one of them says it all.

        Args:
            inputs: checked.
        """
        if self.joined is None:
            return None
        rows, result = len(inputs[self.joined]), dict(inputs)
        for name, value in inputs.items():
            default = self.inputs[name].default
            if name == self.joined or name.startswith(CLASS):
                continue
            if default is None:
                if value.shape[:1] != (1,):
                    return None
            elif value.ndim != default.ndim:
                if value.ndim != default.ndim + 1 or not rows or len(value) != rows:
                    return None
                if (value != value[:1]).any():
                    return None
                result[name] = value[0] if value.ndim > 1 else np.array(value[0], value.dtype)
        return result

    def checked(self, given: Mapping[str, np.ndarray]) -> Arrays:
        """`given` with the defaults, in the types of the signature.

        Raises:
            RequestError: 400, for an input that is missing, unknown, or of another type or shape.
        """
        unknown = sorted(set(given) - set(self.inputs))
        if unknown:
            raise RequestError(
                400,
                f"Signature {self.name!r} has no input {unknown[0]!r}; it has "
                f"{', '.join(map(repr, self.inputs))}.",
            )
        result = {}
        for name, tensor in self.inputs.items():
            if name in given:
                result[name] = self._fitting(name, np.asarray(given[name]))
            elif tensor.default is not None:
                result[name] = tensor.default
            else:
                raise RequestError(
                    400, f"Missing named input: {name!r} of signature {self.name!r}; give {tensor}."
                )
        return result

    def _fitting(self, name: str, array: np.ndarray) -> np.ndarray:
        tensor = self.inputs[name]
        if not tensor.fits(array.shape):
            raise RequestError(
                400,
                f"Input {name!r} of signature {self.name!r} has the shape {list(array.shape)}; "
                f"give {tensor}.",
            )
        kind = np.dtype(object) if tensor.dtype == tf.string else tensor.dtype.as_numpy_dtype
        try:
            return array.astype(kind, copy=False)
        except (TypeError, ValueError):
            raise RequestError(
                400, f"Input {name!r} of signature {self.name!r} is no {tensor.dtype.name}."
            ) from None


def read(folder: Path) -> tuple[dict[str, Signature], dict[str, meta_graph_pb2.SignatureDef]]:
    """The signatures of the SavedModel in `folder`, and all of them as they are stored.

    Raises:
        ExportError: if the file is damaged.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / "saved_model.pb").read_bytes())
        stored = dict(sorted(model.meta_graphs[0].signature_def.items()))
    except (DecodeError, IndexError) as error:
        raise ExportError(
            f"The SavedModel in {str(folder)!r} is damaged; export the model again."
        ) from error
    usable = {name: one for name, one in stored.items() if one.inputs}
    return {name: _signature(name, one) for name, one in usable.items()}, stored


def first_requests(signatures: Mapping[str, Signature]) -> Iterator[tuple[str, Arrays]]:
    """Requests that warm an export up which has none of its own.

    Returns: the names of those `signatures` that take nothing but pictures or texts, and inputs.
    """
    for name, signature in signatures.items():
        if signature.joined and signature.required == [signature.joined]:
            rank = len(signature.inputs[signature.joined].shape or ())
            for rows in _ROWS:
                column = np.full([rows] + [1] * (rank - 1), _example(signature.joined), object)
                yield name, {signature.joined: column}


def _example(name: str) -> bytes:
    if name == PICTURES:
        return tf.io.encode_png(tf.fill([64, 64, 3], tf.constant(127, tf.uint8))).numpy()
    return b"a photo of a cat"


def _signature(name: str, stored: meta_graph_pb2.SignatureDef) -> Signature:
    defaults = {key: tf.make_ndarray(value) for key, value in stored.defaults.items()}
    return Signature(
        name,
        {key: _tensor(info, defaults.get(key)) for key, info in sorted(stored.inputs.items())},
        {key: _tensor(info, None) for key, info in sorted(stored.outputs.items())},
    )


def _tensor(info: meta_graph_pb2.TensorInfo, default: np.ndarray | None) -> Tensor:
    shape = None
    if not info.tensor_shape.unknown_rank:
        shape = tuple(None if side.size < 0 else side.size for side in info.tensor_shape.dim)
    return Tensor(tf.as_dtype(info.dtype), shape, default)
