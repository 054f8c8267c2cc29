"""Reads the body of a predict request, in the row or the column format of TensorFlow Serving."""

import base64
import binascii
import dataclasses
import json
import string
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import tensorflow as tf

from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.signatures import DEFAULT, Arrays, Signature, Tensor

_WHITESPACE = str.maketrans("", "", string.whitespace)
_SHOWN = 60  # characters of a value in a message


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        signature: its name.
        inputs: by name, as they were given.
        by_row: whether the answer is a list of "predictions", and not the "outputs".
    """

    signature: str
    inputs: Arrays
    by_row: bool


def read(body: bytes, signature_of: Callable[[str], Signature]) -> Asked:
    """The request in `body`.

    Args:
        body: JSON in UTF-8; NaN, Infinity and -Infinity are numbers.
        signature_of: from its name.

    Raises:
        RequestError: 400, naming what is wrong.
    """
    document = _parsed(body)
    name = document.get("signature_name", DEFAULT)
    if not isinstance(name, str):
        raise _wrong("'signature_name' key must be a string value.")
    signature = signature_of(name or DEFAULT)
    if "instances" in document and "inputs" in document:
        raise _wrong("Not formatted correctly: give 'inputs' or 'instances', not both.")
    if "instances" in document:
        return Asked(signature.name, _rows(document["instances"], signature), by_row=True)
    if "inputs" in document:
        return Asked(signature.name, _columns(document["inputs"], signature), by_row=False)
    raise _wrong("Missing 'inputs' or 'instances' key.")


def _parsed(body: bytes) -> dict[str, Any]:
    if not body:
        raise _wrong("JSON Parse error: The document is empty.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as first:
        try:  # the same with NaN and Infinity, which orjson refuses
            document = json.loads(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise _wrong("JSON Parse error: the body is not in UTF-8.") from None
        except (ValueError, RecursionError):
            raise _wrong(f"JSON Parse error: {first}.") from None
    if not isinstance(document, dict):
        raise _wrong(f"JSON Value: {_shown(document)} Is not object.")
    return document


def _rows(instances: Any, signature: Signature) -> Arrays:
    """The inputs of the row format, which all have a row for each of the `instances`."""
    if not isinstance(instances, list):
        raise _wrong("Expecting 'instances' to be a list.")
    if not instances:
        raise _wrong("No values in 'instances' list.")
    named = _is_named(instances[0])
    for number, one in enumerate(instances):
        if _is_named(one) != named:
            kinds = ("object", "value/list") if named else ("value/list", "object")
            raise _wrong(
                f"Expecting {kinds[0]} but got {kinds[1]} at item {number} of 'instances'."
            )
    if not named:
        name = _only(signature, "instances is a plain list, but expecting list of objects")
        return {name: _array(instances, name, signature)}
    names = list(instances[0])
    for number, one in enumerate(instances):
        missing = set(signature.required) - set(one)
        if missing or one.keys() != instances[0].keys():
            raise _wrong(
                f"Failed to process element: {number} of 'instances' list. Its keys must be equal "
                f"to: {','.join(signature.required)}, and those of the others."
            )
    return {name: _stacked([one[name] for one in instances], name, signature) for name in names}


def _stacked(values: list, name: str, signature: Signature) -> np.ndarray:
    """An input with a row for each instance."""
    array = _array(values, name, signature)
    tensor = signature.inputs[name]
    if not tensor.fits(array.shape):
        raise _wrong(
            f"Input {name!r} of signature {signature.name!r} has the shape {list(array.shape)}, "
            f"with a row for each instance; it should be {tensor}. What has no row for each goes "
            f'into the column format, "inputs".'
        )
    return array


def _columns(inputs: Any, signature: Signature) -> Arrays:
    """The inputs of the column format, each whole."""
    if not _is_named(inputs):
        name = _only(signature, "inputs is a plain value/list, but expecting an object")
        return {name: _array(inputs, name, signature)}
    return {name: _array(value, name, signature) for name, value in inputs.items()}


def _only(signature: Signature, otherwise: str) -> str:
    """The only input that has to be given."""
    if len(signature.required) != 1:
        raise _wrong(
            f"{otherwise} as signature {signature.name!r} has the inputs "
            f"{','.join(signature.inputs)}."
        )
    return signature.required[0]


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not (
        value.keys() == {"b64"} and isinstance(value["b64"], str)
    )


def _array(value: Any, name: str, signature: Signature) -> np.ndarray:
    tensor = signature.inputs.get(name)
    if tensor is None:
        raise _wrong(
            f"JSON object: does not have named input: {name[:_SHOWN]}; signature "
            f"{signature.name!r} has {','.join(signature.inputs)}."
        )
    if tensor.dtype == tf.string:
        shape = _shape(value)
        flat: list[bytes] = []
        _fill(flat, value, shape, name)
        return np.array(flat, object).reshape(shape)
    return _numbers(value, name, tensor)


def _shape(value: Any) -> tuple[int, ...]:
    """That of nested lists, by their first elements."""
    sides: list[int] = []
    while isinstance(value, list) and len(sides) < 32:
        sides.append(len(value))
        value = value[0] if value else None
    return tuple(sides)


def _fill(flat: list[bytes], value: Any, shape: tuple[int, ...], name: str) -> None:
    """Appends the strings in `value`, nested lists of `shape`."""
    if not shape:
        flat.append(_bytes(value, name))
    elif not isinstance(value, list):
        raise _wrong(f"Input {name!r}: {_shown(value)} stands where a list is expected.")
    elif len(value) != shape[0]:
        raise _wrong(
            f"Input {name!r}: Encountered list at unexpected size: {len(value)} expected size: "
            f"{shape[0]}; lists beside each other must have one length."
        )
    else:
        for one in value:
            _fill(flat, one, shape[1:], name)


def _bytes(value: Any, name: str) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise _wrong(
                f"Input {name!r} has a string with half a surrogate pair; give bytes that are no "
                f'text as {{"b64": ...}}.'
            ) from None
    if _is_named(value) or not isinstance(value, dict):
        raise _wrong(
            f"Input {name!r}: JSON Value: {_shown(value)} is not of expected type: string; give a "
            f'string, or bytes as {{"b64": ...}}.'
        )
    text = value["b64"].translate(_WHITESPACE)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(
            f"Input {name!r}: Unable to base64 decode {_shown(text)}; give the standard alphabet, "
            f"without a prefix such as data:image/png;base64,"
        ) from None


def _numbers(value: Any, name: str, tensor: Tensor) -> np.ndarray:
    array = np.array(value, object)  # of another type, one long string would widen all elements
    wanted = {bool} if tensor.dtype.is_bool else {int, float} if tensor.dtype.is_floating else {int}
    found = set(map(type, array.ravel().tolist()))
    if list in found:
        raise _wrong(
            f"Input {name!r}: lists beside each other must have one length; give {tensor}."
        )
    if found - wanted:
        raise _wrong(
            f"Input {name!r}: JSON Value: {_shown(value)} is not of expected type: "
            f"{tensor.dtype.name}."
        )
    kind = tensor.dtype.as_numpy_dtype
    try:
        if not tensor.dtype.is_floating:
            return array.astype(kind)
        wide = array.astype(np.float64)
        with np.errstate(over="ignore"):
            narrow = wide.astype(kind)
        if np.array_equal(np.isinf(narrow), np.isinf(wide)):
            return narrow
    except OverflowError:
        pass
    raise _wrong(
        f"Input {name!r}: Cannot convert JSON value: {_shown(value)} to {tensor.dtype.name} "
        f"without loss of precision."
    )


def _shown(value: Any) -> str:
    """The beginning of `value` as text."""
    while isinstance(value, list) and value:
        value = value[0]
    text = value if isinstance(value, str) else repr(value)
    return ascii(text[:_SHOWN] + "..." * (len(text) > _SHOWN))


def _wrong(message: str) -> RequestError:
    return RequestError(400, message)
