"""Writes the outputs of a signature as JSON, as TensorFlow Serving does."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import tensorflow as tf

from clipbench_tf.serving.errors import RequestError

_BINARY = "_bytes"  # the end of the names of outputs that are no text
_BFLOAT16 = np.dtype(tf.bfloat16.as_numpy_dtype)


def rows(outputs: Mapping[str, np.ndarray]) -> bytes:
    """{"predictions": a list with one value, or one object of all outputs, for each row}.

    Raises:
        RequestError: 400, if the outputs have no rows, or different numbers of them.
    """
    for name, value in outputs.items():
        if not value.ndim:
            raise RequestError(
                400, f"Tensor name: {name} has no batch dimension; ask with 'inputs' instead."
            )
    counts = {name: len(value) for name, value in outputs.items()}
    if len(set(counts.values())) > 1:
        raise RequestError(
            400, f"Outputs have inconsistent batch sizes {counts}; ask with 'inputs' instead."
        )
    if len(outputs) == 1:
        ((name, value),) = outputs.items()
        return _json({"predictions": _values(name, value)}, outputs)
    columns = {name: _values(name, outputs[name]) for name in sorted(outputs)}
    objects = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return _json({"predictions": objects}, outputs)


def columns(outputs: Mapping[str, np.ndarray]) -> bytes:
    """{"outputs": the value of the only output, or an object of all}."""
    if len(outputs) == 1:
        ((name, value),) = outputs.items()
        return _json({"outputs": _values(name, value)}, outputs)
    values = {name: _values(name, outputs[name]) for name in sorted(outputs)}
    return _json({"outputs": values}, outputs)


def _values(name: str, value: np.ndarray) -> Any:
    """`value` as orjson takes it."""
    if value.dtype == object:
        write = _base64 if name.endswith(_BINARY) else _text
        return _mapped(value.tolist(), write)
    if value.dtype == _BFLOAT16:
        value = value.astype(np.float32)
    return np.ascontiguousarray(value) if value.ndim else value.item()


def _mapped(value: Any, write: Any) -> Any:
    return [_mapped(one, write) for one in value] if isinstance(value, list) else write(value)


def _text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _base64(value)


def _base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _json(document: dict, outputs: Mapping[str, np.ndarray]) -> bytes:
    finite = all(
        np.isfinite(value).all()
        for value in outputs.values()
        if value.dtype != object and value.dtype.kind not in "biu"
    )
    if finite:
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(document, default=lambda value: value.tolist()).encode()
