"""TensorBoard's event files: removes events written after the last checkpoint."""

import os
from pathlib import Path

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event


def drop_events_after(step: int, folder: Path) -> None:
    """Removes events of later steps than `step`, and a half-written last one, from `folder`.

    TensorFlow 2's writer has no `purge_step` as that of TensorFlow 1 had: without this, a resumed
    run would draw its curves twice.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        _rewrite(path, step)


def _rewrite(path: Path, last_step: int) -> None:
    partial = path.with_name("partial")  # TensorBoard reads whatever has tfevents in its name
    with tf.io.TFRecordWriter(str(partial)) as writer:
        try:
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                if Event.FromString(record).step <= last_step:
                    writer.write(record)
        except tf.errors.DataLossError:
            pass  # the run was killed while it wrote this one
    os.replace(partial, path)
