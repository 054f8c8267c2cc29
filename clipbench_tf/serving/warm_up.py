"""The first calls of a model, before it says that it is ready: they build what later calls use."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2

from clipbench_tf.export.card import ExportError
from clipbench_tf.export.warmup import FILE
from clipbench_tf.serving.signatures import DEFAULT, Arrays, Signature

# Numbers of fields in tensorflow_serving/apis: PredictionLog.predict_log, PredictLog.request,
# PredictRequest.model_spec and .inputs, ModelSpec.signature_name, and those of an entry of a map.
_PREDICT_LOG, _REQUEST, _MODEL_SPEC, _INPUTS, _SIGNATURE_NAME, _KEY, _VALUE = 6, 1, 1, 2, 3, 1, 2
_ROWS = (1, 8)


def first_requests(
    folder: Path, signatures: Mapping[str, Signature]
) -> Iterator[tuple[str, Arrays]]:
    """The warm-up requests of the export in `folder`, or, without any, one of ours for each of
    its signatures that takes nothing but pictures or texts.

    Returns: names of signatures, and their inputs.

    Raises:
        ExportError: if the file of the requests is damaged.
    """
    path = folder / FILE
    if path.is_file():
        try:
            yield from (_parsed(record.numpy()) for record in tf.data.TFRecordDataset(str(path)))
        except (tf.errors.DataLossError, DecodeError, IndexError, KeyError) as error:
            raise ExportError(
                f"The warm-up requests in {str(path)!r} are damaged; export the model again."
            ) from error
        return
    for name, signature in signatures.items():
        if signature.joined and signature.required == [signature.joined]:
            rank = len(signature.inputs[signature.joined].shape or ())
            for rows in _ROWS:
                column = np.full([rows] + [1] * (rank - 1), _example(signature.joined), object)
                yield name, {signature.joined: column}


def _example(name: str) -> bytes:
    if name == "image":
        return tf.io.encode_png(tf.fill([64, 64, 3], tf.constant(127, tf.uint8))).numpy()
    return b"a photo of a cat"


def _parsed(record: bytes) -> tuple[str, Arrays]:
    """The signature and the inputs of a serialised PredictionLog."""
    request = _fields(_fields(record)[_PREDICT_LOG][0])[_REQUEST][0]
    fields = _fields(request)
    (name,) = _fields(fields[_MODEL_SPEC][0]).get(_SIGNATURE_NAME, [DEFAULT.encode()])
    inputs = {}
    for entry in map(_fields, fields[_INPUTS]):
        inputs[entry[_KEY][0].decode()] = tf.make_ndarray(
            tensor_pb2.TensorProto.FromString(entry[_VALUE][0])
        )
    return name.decode(), inputs


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """The fields of a serialised message that are strings, bytes or messages, by number."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        kind = tag % 8
        if kind == 0:
            _, at = _number(message, at)
        elif kind == 2:
            length, at = _number(message, at)
            found.setdefault(tag // 8, []).append(message[at : at + length])
            at += length
            if at > len(message):
                raise IndexError("The message ends within a field.")
        else:
            at += {1: 8, 5: 4}[kind]
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    """A number of variable length at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at
