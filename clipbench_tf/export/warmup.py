"""Requests that a server answers while it loads a model, so that the first is not slow.

The file is TensorFlow Serving's: a TFRecord of PredictionLog messages. Their definitions come with
the package tensorflow-serving-api, which would bind the version of TensorFlow; the few fields that
are needed are written and read here by hand. (TensorFlow Serving, docs/saved_model_warmup; fields:
its apis/*.proto.)
"""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2

from clipbench_tf.export.card import ExportError

FILE = "assets.extra/tf_serving_warmup_requests"

# Numbers of fields: PredictionLog.predict_log, PredictLog.request, PredictRequest.model_spec and
# .inputs, ModelSpec.signature_name, and those of an entry of a map.
_PREDICT_LOG, _REQUEST, _MODEL_SPEC, _INPUTS, _SIGNATURE_NAME, _KEY, _VALUE = 6, 1, 1, 2, 3, 1, 2
_NUMBER, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5  # kinds of fields
_DEFAULT = "serving_default"  # the signature of a request that names none
_TEXTS = ["a photo of a cat.", "a drawing"]


def write(folder: Path, names: Container[str], image_size: int) -> None:
    """Writes a request for each of the signatures `names` that a client calls.

    Args:
        folder: of the SavedModel.
        names: of its signatures.
        image_size: of the picture in the requests, in pixels.
    """
    grey = tf.fill([image_size, image_size, 3], tf.constant(127, tf.uint8))
    image = tf.stack([tf.io.encode_jpeg(grey)])
    texts = tf.constant(_TEXTS)
    inputs = {
        "encode_image": {"image": image},
        "encode_text": {"text": texts},
        "classify": {"image": image, "classes": texts[tf.newaxis]},
    }
    inputs[_DEFAULT] = inputs["encode_image" if "encode_image" in names else "encode_text"]
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name in (name for name in inputs if name in names):
            writer.write(_prediction_log(name, inputs[name]))


def read(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The requests of the SavedModel in `folder`, which has a `FILE`.

    Returns: names of signatures, and their inputs; strings as arrays of bytes objects.

    Raises:
        ExportError: if the file is damaged.
    """
    path = folder / FILE
    try:
        yield from (_parsed(record.numpy()) for record in tf.data.TFRecordDataset(str(path)))
    except (tf.errors.DataLossError, DecodeError, IndexError, KeyError) as error:
        raise ExportError(
            f"The warm-up requests in {str(path)!r} are damaged; export the model again."
        ) from error


def _prediction_log(signature: str, inputs: Mapping[str, tf.Tensor]) -> bytes:
    model_spec = _field(_SIGNATURE_NAME, signature.encode())
    tensors = [
        _field(_KEY, name.encode())
        + _field(_VALUE, tf.make_tensor_proto(value).SerializeToString())
        for name, value in inputs.items()
    ]
    request = _field(_MODEL_SPEC, model_spec) + b"".join(_field(_INPUTS, one) for one in tensors)
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _parsed(record: bytes) -> tuple[str, dict[str, np.ndarray]]:
    """The signature and the inputs of a serialised PredictionLog."""
    request = _fields(_fields(record)[_PREDICT_LOG][0])[_REQUEST][0]
    fields = _fields(request)
    (name,) = _fields(fields[_MODEL_SPEC][0]).get(_SIGNATURE_NAME, [_DEFAULT.encode()])
    inputs = {}
    for entry in map(_fields, fields[_INPUTS]):
        inputs[entry[_KEY][0].decode()] = tf.make_ndarray(
            tensor_pb2.TensorProto.FromString(entry[_VALUE][0])
        )
    return name.decode(), inputs


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes, a string or a message."""
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """The contents of the `_field`s of a serialised message, by number; others are passed over."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        kind = tag % 8
        if kind == _NUMBER:
            _, at = _number(message, at)
        elif kind == _BYTES:
            length, at = _number(message, at)
            found.setdefault(tag // 8, []).append(message[at : at + length])
            at += length
            if at > len(message):
                raise IndexError("The message ends within a field.")
        else:
            at += {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}[kind]
    return found


def _varint(value: int) -> bytes:
    low = []
    while value > 127:
        low.append(value & 127 | 128)
        value >>= 7
    return bytes([*low, value])


def _number(message: bytes, at: int) -> tuple[int, int]:
    """The `_varint` at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at
