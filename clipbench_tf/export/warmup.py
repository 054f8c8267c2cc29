"""Requests that TensorFlow Serving answers while it loads a model, so that the first is not slow.

The file is a TFRecord of PredictionLog messages. Their definitions come with the package
tensorflow-serving-api, which would bind the version of TensorFlow; the few fields that are needed
are written here by hand. (TensorFlow Serving, docs/saved_model_warmup; fields: its apis/*.proto.)
"""

from collections.abc import Container, Mapping
from pathlib import Path

import tensorflow as tf

FILE = "assets.extra/tf_serving_warmup_requests"

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
    inputs["serving_default"] = inputs["encode_image" if "encode_image" in names else "encode_text"]
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name in (name for name in inputs if name in names):
            writer.write(_prediction_log(name, inputs[name]))


def _prediction_log(signature: str, inputs: Mapping[str, tf.Tensor]) -> bytes:
    """PredictionLog.predict_log.request, of model_spec.signature_name and inputs."""
    model_spec = _field(3, signature.encode())
    tensors = [
        _field(1, name.encode()) + _field(2, tf.make_tensor_proto(value).SerializeToString())
        for name, value in inputs.items()
    ]
    request = _field(1, model_spec) + b"".join(_field(2, entry) for entry in tensors)
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes, a string or a message."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low = []
    while value > 127:
        low.append(value & 127 | 128)
        value >>= 7
    return bytes([*low, value])
