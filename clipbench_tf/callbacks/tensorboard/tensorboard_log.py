"""The TensorBoard of a run: curves, training views with captions, the configuration."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from clipbench_tf.callbacks.scalar_log import ScalarLog
from clipbench_tf.callbacks.tensorboard.alignment_pictures import draw_alignment
from clipbench_tf.callbacks.tensorboard.event_files import drop_events_after
from clipbench_tf.callbacks.tensorboard.view_grid import view_grid
from clipbench_tf.callbacks.throughput import Throughput
from clipbench_tf.checkpoints.disk import Attempts
from clipbench_tf.evaluation.alignment import Alignment
from clipbench_tf.features import Batch


class TensorBoardLog(ScalarLog):
    """Writes to a TensorBoard folder. A failed write loses its events, and training continues.

    Args:
        folder: for the event files; created if need be.
        resumed_at: the step that a run is resumed at, whose events of later steps are removed;
            None to keep all.
        every, total_steps, throughput, steps_per_epoch: see `ScalarLog`.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        resumed_at: int | None = None,
        every: int = 10,
        total_steps: int | None = None,
        throughput: Throughput | None = None,
        steps_per_epoch: float | None = None,
    ) -> None:
        super().__init__(
            every=every,
            total_steps=total_steps,
            throughput=throughput,
            steps_per_epoch=steps_per_epoch,
        )
        self._folder = folder = Path(folder)
        self._writer: tf.summary.SummaryWriter | None = None
        self._attempts = Attempts()
        if resumed_at is not None:
            self._attempt(lambda: drop_events_after(resumed_at, folder))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to the curve of each name in `values`."""

        def events() -> None:
            for name, value in values.items():
                # Names with a slash make a group of that name; the others share one.
                grouped = "/" in name or name == "loss"
                tf.summary.scalar(name if grouped else f"training/{name}", value, step)

        self._add(events)

    def write_text(self, step: int, name: str, text: str) -> None:
        """Writes `text` verbatim, as a code block."""
        block = "\n".join("    " + line for line in text.splitlines())
        self._add(lambda: tf.summary.text(name, block, step))

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
        lines = (f"{n + 1}. {' / '.join(pair)}" for n, pair in enumerate(captions))

        def events() -> None:
            tf.summary.image("training/views", view_grid(images, captions)[np.newaxis], step)
            tf.summary.text("training/captions", "\n".join(lines), step)

        self._add(events)

    def write_alignments(self, step: int, alignments: Sequence[Alignment]) -> None:
        """Draws each of `alignments` as "alignment/<number>"; see `draw_alignment`."""

        def events() -> None:
            for number, alignment in enumerate(alignments, 1):
                picture = draw_alignment(alignment)[np.newaxis]
                tf.summary.image(f"alignment/{number}", picture, step)

        self._add(events)

    def close(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._attempt(self._writer.close)

    def _add(self, events: Callable[[], object]) -> None:
        """Writes what `events` makes to disk, if that has room."""

        def write() -> None:
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self._folder))
            with self._writer.as_default():
                events()
            self._writer.flush()

        if not self._attempt(write):
            self._writer = None  # readers stop at a truncated event, so later ones go to a new file
            for file in self._folder.glob("events.out.tfevents.*"):
                if not file.stat().st_size:
                    file.unlink()

    def _attempt(self, write: Callable[[], object]) -> bool:
        return self._attempts.succeeds(write, f"Events are missing in {self._folder}")
