"""The TensorBoard of a run: curves, training views with captions, the configuration."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from clipbench_tf.features import Batch
from clipbench_tf.training.event_files import drop_events_after
from clipbench_tf.training.view_grid import view_grid


class TensorBoardLog:
    """Writes to a TensorBoard folder. What cannot be written is missing, and the run goes on.

    Args:
        folder: for the event files; created if need be.
        resumed_at: the step that the run goes on from; what was written for later ones goes.
    """

    def __init__(self, folder: Path, *, resumed_at: int = 0) -> None:
        drop_events_after(resumed_at, folder)
        self._folder, self._failing = folder, False  # a failure to write is said once
        self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to the curve of each name in `values`."""
        with self._events():
            for name, value in values.items():
                # Names with a slash make a group of that name; the others share one.
                grouped = "/" in name or name == "loss"
                tf.summary.scalar(name if grouped else f"training/{name}", value, step)

    def write_text(self, step: int, name: str, text: str) -> None:
        """Shows `text` as it stands, a configuration for example."""
        block = "\n".join("    " + line for line in text.splitlines())
        with self._events():
            tf.summary.text(name, block, step)

    def write_views(
        self,
        step: int,
        batch: Batch,
        decode: Callable[[Sequence[Sequence[int]]], list[str]],
        count: int = 16,
    ) -> None:
        """Shows the first `count` training pairs of `batch` as the model sees them.

        Args:
            step: the step they belong to.
            batch: one batch of the pipeline; `images` and `ids` are read.
            decode: rows of ids -> captions, the tokenizer's.
            count: how many pairs.
        """
        images = np.asarray(batch["images"])[:count]
        ids = np.asarray(batch["ids"])[:count]
        captions = [decode(list(pair)) for pair in ids]
        with self._events():
            tf.summary.image("training/views", view_grid(images, captions)[np.newaxis], step)
            lines = (f"{n + 1}. {' / '.join(pair)}" for n, pair in enumerate(captions))
            tf.summary.text("training/captions", "\n".join(lines), step)

    def close(self) -> None:
        """Closes the event file."""
        self._writer.close()

    @contextlib.contextmanager
    def _events(self) -> Iterator[None]:
        """Where events can be written, which are on disk afterwards if it has room."""
        try:
            with self._writer.as_default():
                yield
            self._writer.flush()
            self._failing = False
        except tf.errors.OpError as error:
            if not self._failing:
                logging.error("Events are missing in %s: %s", self._folder, error.message)
            self._failing = True
            # Readers stop at half an event: what follows goes to another file.
            self._writer = tf.summary.create_file_writer(str(self._folder))
