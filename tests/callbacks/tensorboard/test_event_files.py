import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clipbench_tf.callbacks.tensorboard.event_files import drop_events_after


def steps(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return [event.step for event in accumulator.Tensors("loss")]


@pytest.fixture
def folder(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        for step in range(10, 60, 10):
            tf.summary.scalar("loss", 1.0, step)
    writer.close()
    return tmp_path


def test_later_events_go(folder):
    drop_events_after(30, folder)
    assert steps(folder) == [10, 20, 30]
    assert len(list(folder.iterdir())) == 1


def test_the_rest_stays_byte_by_byte(folder):
    (path,) = folder.iterdir()
    before = path.read_bytes()
    drop_events_after(50, folder)
    assert path.read_bytes() == before


def test_a_half_written_event_goes(folder):
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    drop_events_after(100, folder)
    assert steps(folder) == [10, 20, 30, 40]


def test_nothing_to_do(tmp_path):
    drop_events_after(5, tmp_path / "absent")
    (tmp_path / "projector_config.pbtxt").write_text("")
    drop_events_after(5, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["projector_config.pbtxt"]
