"""The requests that TensorFlow Serving warms up with, read by another definition and replayed."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.export import warmup
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.saved_model import export
from tests.evaluation.samples import SIZE, tiny_method

# The messages of tensorflow_serving/apis, of their fields those that a request of "predict" has.
MESSAGES = {
    "ModelSpec": {"name": (1, "string"), "signature_name": (3, "string")},
    "Entry": {"key": (1, "string"), "value": (2, "bytes")},  # of map<string, TensorProto>
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "Entry")},
    "PredictLog": {"request": (1, "PredictRequest")},
    "LogMetadata": {"sampling": (2, "string")},
    "PredictionLog": {"log_metadata": (1, "LogMetadata"), "predict_log": (6, "PredictLog")},
}


def prediction_log() -> type:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="log.proto", package="t", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            made = message.field.add(name=field, number=number, label=kinds.LABEL_OPTIONAL)
            if kind == "Entry":
                made.label = kinds.LABEL_REPEATED
            if kind in MESSAGES:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".t.{kind}"
            else:
                made.type = kinds.TYPE_STRING if kind == "string" else kinds.TYPE_BYTES
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.PredictionLog"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """The folder of an export of the text tower alone."""
    method, tokenizer = tiny_method()
    return export(
        method,
        tokenizer,
        tmp_path_factory.mktemp("texts") / "saved_model",
        dataset="tiny",
        classes=(),
        templates=(),
        scorer=cosine(method),
        image_size=SIZE,
        tower="text",
    )


def test_every_request_is_answered(tiny_export):
    names = {"serving_default", "encode_image", "encode_text", "classify"}
    assert answered(tiny_export(cosine).folder) == names


def test_every_request_of_one_tower_is_answered(texts):
    assert answered(texts) == {"serving_default", "encode_text"}


def answered(folder: Path) -> set[str]:
    """The signatures that the requests in `folder` ask, each of which answers in a session."""
    kind, asked = prediction_log(), set()
    records = [r.numpy() for r in tf.data.TFRecordDataset(str(folder / warmup.FILE))]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        for record in records:
            request = kind.FromString(record).predict_log.request
            assert kind.FromString(record).ByteSize() == len(record)  # no unknown fields beside
            signature = graph.signature_def[request.model_spec.signature_name]
            asked.add(request.model_spec.signature_name)
            feeds = {
                signature.inputs[entry.key].name: tf.make_ndarray(
                    tensor_pb2.TensorProto.FromString(entry.value)
                )
                for entry in request.inputs
            }
            given = {entry.key for entry in request.inputs}
            assert given | set(signature.defaults) == set(signature.inputs)
            outputs = {name: info.name for name, info in signature.outputs.items()}
            answer = session.run(outputs, feeds)
            assert all(len(value) for value in answer.values())
            if "valid" in answer:
                assert answer["valid"].all()
    return asked


def message(signature: str, inputs: dict) -> bytes:
    """A PredictionLog as others write it, with more than is needed."""
    log = prediction_log()()
    log.log_metadata.sampling = "x" * 200
    log.predict_log.request.model_spec.name = "any"
    log.predict_log.request.model_spec.signature_name = signature
    for key, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        log.predict_log.request.inputs.add(key=key, value=tensor)
    return log.SerializeToString()


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / warmup.FILE
    path.parent.mkdir()
    return path


def written(file: Path, *records: bytes) -> None:
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)


def test_requests_that_others_wrote_are_read(tmp_path, file):
    texts = np.array([b"a" * 300, b""], object)
    written(
        file,
        message("picky", {"text": texts}),
        message("", {"text": [b"c"], "times": np.int32(7)}),
    )
    first, second = warmup.read(tmp_path)
    assert first[0] == "picky" and first[1]["text"].tolist() == texts.tolist()
    assert second[0] == "serving_default" and second[1]["times"] == 7


def test_a_damaged_file_is_said(tmp_path, file):
    for record in (b"\x32\x05", b"", message("picky", {"text": [b"a"]})[:-9]):
        written(file, record)
        with pytest.raises(ExportError, match="damaged"):
            list(warmup.read(tmp_path))
    file.write_bytes(b"no records at all")
    with pytest.raises(ExportError, match="damaged"):
        list(warmup.read(tmp_path))
