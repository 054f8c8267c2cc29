"""Warm-up requests, from TensorFlow Serving's file or our own."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

from clipbench_tf.export.card import ExportError
from clipbench_tf.serving import signatures, warm_up
from tests.serving import models

FIELDS = descriptor_pb2.FieldDescriptorProto


def prediction_log(signature: str, inputs: dict) -> bytes:
    """A serialised tensorflow.serving.PredictionLog, by protobuf from its published fields."""
    file = descriptor_pb2.FileDescriptorProto(name="warm_up_test.proto", package="w")
    file.dependency.append(tensor_pb2.DESCRIPTOR.name)
    messages = {
        "ModelSpec": [("name", 1, "string", ""), ("signature_name", 3, "string", "")],
        "Entry": [("key", 1, "string", ""), ("value", 2, "message", ".tensorflow.TensorProto")],
        "PredictRequest": [
            ("model_spec", 1, "message", ".w.ModelSpec"),
            ("inputs", 2, "messages", ".w.Entry"),
        ],
        "PredictLog": [("request", 1, "message", ".w.PredictRequest")],
        "LogMetadata": [("sampling", 2, "string", "")],
        "PredictionLog": [
            ("log_metadata", 1, "message", ".w.LogMetadata"),
            ("predict_log", 6, "message", ".w.PredictLog"),
        ],
    }
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, type_name in fields:
            message.field.add(
                name=field,
                number=number,
                label=FIELDS.LABEL_REPEATED if kind == "messages" else FIELDS.LABEL_OPTIONAL,
                type=FIELDS.TYPE_STRING if kind == "string" else FIELDS.TYPE_MESSAGE,
                type_name=type_name or None,
            )
    pool = descriptor_pool.DescriptorPool()
    for needed in (*tensor_pb2.DESCRIPTOR.dependencies, tensor_pb2.DESCRIPTOR):
        _add(pool, needed)
    pool.Add(file)
    log = message_factory.GetMessageClass(pool.FindMessageTypeByName("w.PredictionLog"))()
    log.log_metadata.sampling = "x" * 200
    log.predict_log.request.model_spec.name = "any"
    if signature:
        log.predict_log.request.model_spec.signature_name = signature
    for key, value in inputs.items():
        entry = log.predict_log.request.inputs.add(key=key)
        entry.value.ParseFromString(tf.make_tensor_proto(value).SerializeToString())
    return log.SerializeToString()


def _add(pool, file) -> None:
    for needed in file.dependencies:
        _add(pool, needed)
    copy = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(copy)
    pool.Add(copy)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.texts(tmp_path_factory.mktemp("texts"))


def written(folder, *records: bytes) -> None:
    with tf.io.TFRecordWriter(str(folder / warm_up.FILE)) as writer:
        for record in records:
            writer.write(record)


def test_the_requests_of_the_file_are_read(folder):
    written(
        folder,
        prediction_log("picky", {"text": np.array([b"a" * 300, b""], object)}),
        prediction_log("", {"text": [b"c"], "times": np.int32(7)}),
    )
    known, _ = signatures.read(folder)
    first, second = warm_up.first_requests(folder, known)
    assert first[0] == "picky" and first[1]["text"].tolist() == [b"a" * 300, b""]
    assert second[0] == "serving_default" and second[1]["times"] == 7
    served = models.loaded(folder)
    assert served.state == "ready"
    served.close()


def test_a_damaged_file_is_said(folder):
    known, _ = signatures.read(folder)
    for record in (b"\x32\x05", b"", prediction_log("picky", {"text": [b"a"]})[:-9]):
        written(folder, record)
        with pytest.raises(ExportError, match="damaged"):
            list(warm_up.first_requests(folder, known))
    (folder / warm_up.FILE).write_bytes(b"no records at all")
    with pytest.raises(ExportError, match="damaged"):
        list(warm_up.first_requests(folder, known))


def test_without_a_file_each_signature_of_pictures_or_texts_is_called(folder):
    (folder / warm_up.FILE).unlink(missing_ok=True)
    known, _ = signatures.read(folder)
    found = list(warm_up.first_requests(folder, known))
    assert {name for name, _ in found} == {"serving_default", "picky", "total", "picture"}
    pictures = [inputs["image"] for name, inputs in found if name == "picture"]
    assert tf.io.decode_image(pictures[0][0]).shape == (64, 64, 3)
