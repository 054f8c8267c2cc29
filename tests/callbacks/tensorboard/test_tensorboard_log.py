import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clipbench_tf.callbacks.tensorboard.alignment_pictures import draw_alignment
from clipbench_tf.callbacks.tensorboard.tensorboard_log import TensorBoardLog
from clipbench_tf.evaluation.alignment import Alignment
from tests.checkpoints.full_disk import files_of_at_most


def read(folder):
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def curve(folder, tag):
    return [
        (event.step, float(tf.make_ndarray(event.tensor_proto)))
        for event in read(folder).Tensors(tag)
    ]


def test_curves_by_name_and_group(tmp_path):
    log = TensorBoardLog(tmp_path)
    log.write(10, {"loss": 2.5, "loss/image_text": 1.0, "temperature": 0.5})
    log.write(20, {"loss": float("nan")})
    log.write(20, {"zero_shot/test/top1": 0.25})
    log.close()
    assert curve(tmp_path, "loss") == [(10, 2.5), (20, pytest.approx(np.nan, nan_ok=True))]
    assert curve(tmp_path, "loss/image_text") == [(10, 1.0)]
    assert curve(tmp_path, "training/temperature") == [(10, 0.5)]
    assert curve(tmp_path, "zero_shot/test/top1") == [(20, 0.25)]


def test_a_resumed_run_has_every_step_once(tmp_path):
    first = TensorBoardLog(tmp_path)
    for step in (10, 20, 30):
        first.write(step, {"loss": 1.0})  # killed here: never closed
    second = TensorBoardLog(tmp_path, resumed_at=20)
    for step in (30, 40):
        second.write(step, {"loss": 2.0})
    second.close()
    assert sorted(curve(tmp_path, "loss")) == [(10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0)]


def test_text_is_shown_as_it_stands(tmp_path):
    log = TensorBoardLog(tmp_path)
    log.write_text(0, "config", "# head\n\nA.b = @C()")
    log.close()
    (event,) = read(tmp_path).Tensors("config")
    text = tf.make_ndarray(event.tensor_proto).item().decode()
    assert text == "    # head\n    \n    A.b = @C()"


def test_views_with_their_captions(tmp_path):
    batch = {
        "images": tf.constant(np.full((5, 2, 8, 8, 3), 100, np.uint8)),
        "ids": tf.constant(np.arange(5 * 2 * 3).reshape(5, 2, 3), tf.int32),
    }

    def decode(rows):
        return ["ids " + " ".join(str(int(i)) for i in row) for row in rows]

    log = TensorBoardLog(tmp_path)
    log.write_views(0, batch, decode, count=2)
    log.close()
    events = read(tmp_path)
    (captions,) = events.Tensors("training/captions")
    assert tf.make_ndarray(captions.tensor_proto).item().decode().splitlines() == [
        "1. ids 0 1 2 / ids 3 4 5",
        "2. ids 6 7 8 / ids 9 10 11",
    ]
    (image,) = events.Tensors("training/views")
    width, height, *pictures = tf.make_ndarray(image.tensor_proto)
    picture = Image.open(io.BytesIO(pictures[0]))
    assert picture.size == (int(width), int(height))
    assert (np.asarray(picture) == 100).all(-1).sum() == 2 * 2 * 128 * 128


def test_alignments_by_number_and_step(tmp_path):
    picture = np.zeros([8, 8, 3], np.uint8)
    pair = Alignment(picture, ("cat",), np.zeros([2, 2, 1], np.float32))
    log = TensorBoardLog(tmp_path)
    for step in (10, 20):
        log.write_alignments(step, [pair, pair])
    log.close()
    for number in (1, 2):
        events = read(tmp_path).Tensors(f"alignment/{number}")
        assert [event.step for event in events] == [10, 20]
        _, _, drawn = tf.make_ndarray(events[0].tensor_proto)
        np.testing.assert_array_equal(Image.open(io.BytesIO(drawn)), draw_alignment(pair))


def test_on_a_full_disk_events_are_missing_and_later_ones_are_read(tmp_path, caplog):
    log = TensorBoardLog(tmp_path)
    log.write(10, {"loss": 1.0})
    (file,) = tmp_path.iterdir()
    with files_of_at_most(file.stat().st_size + 5):
        log.write(20, {"loss": 2.0})
        log.write(30, {"loss": 3.0})
    log.write(40, {"loss": 4.0})
    log.close()
    assert f"Events are missing in {tmp_path}: " in caplog.text
    found = sorted(curve(tmp_path, "loss"))  # of several files
    assert found[0] == (10, 1.0)
    assert found[-1] == (40, 4.0)


def test_no_room_for_another_file_ends_no_run(tmp_path, monkeypatch, caplog):
    log = TensorBoardLog(tmp_path)
    real, refused = tf.summary.create_file_writer, []

    def full(folder: str):
        refused.append(folder)
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.summary, "create_file_writer", full)
    log.write(10, {"loss": 1.0})
    log.write_text(10, "config", "a = 1")
    monkeypatch.setattr(tf.summary, "create_file_writer", real)
    log.write(20, {"loss": 2.0})
    log.close()
    assert len(refused) == 2
    assert caplog.text.count("No space left on device") == 1
    assert curve(tmp_path, "loss") == [(20, 2.0)]


def test_a_log_that_resumes_no_run_appends(tmp_path):
    for step in (20, 10):
        log = TensorBoardLog(tmp_path)
        log.write(step, {"loss": 1.0})
        log.close()
    assert sorted(curve(tmp_path, "loss")) == [(10, 1.0), (20, 1.0)]
