"""Reports losses and gradients that are not finite; skips such steps or ends the run."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf.checkpoints.checkpoints import Checkpoints
from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.distribution import replicas

_NAMED = 8  # keys in a message
_AT_ONCE = 64  # pairs that are encoded to find those, which needs little memory


class NonFiniteError(RuntimeError):
    """A loss or gradient was not finite; the message names step, worker, examples, remedy."""


class NonFinite(keras.callbacks.Callback):
    """Reports the steps that `Method.train_step` skipped; stops where that is no accident.

    All workers learn of a skipped step together and act alike. Each looks for the examples of its
    own share whose features are not finite, by reading and encoding the batch once more.
    Under float16, an overflow of the gradient alone belongs to the search for a loss scale: it is
    counted, and neither reported nor a reason to stop.

    Args:
        pipeline: the training data.
        checkpoints: of the run, for the path of the last good one.
        skips: skipped steps in a row that are tolerated; 0 ends the run at the first.
        say: prints a line for the user.

    Raises:
        NonFiniteError: where there are more than `skips`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        checkpoints: Checkpoints,
        skips: int,
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self._pipeline, self._checkpoints = pipeline, checkpoints
        self._skips, self._say = skips, say
        self._counted = self._in_a_row = 0
        self._position = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._counted = int(self.model.skipped_steps.numpy())
        self._position = self._present()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        before, self._position = self._position, self._present()
        logs = logs or {}
        counted = int(logs.get("skipped_steps", 0))
        if counted == self._counted:
            self._in_a_row = 0
            return
        self._counted, self._in_a_row = counted, self._in_a_row + 1
        overflow = self.model.loss_scale is not None and np.isfinite(float(logs["loss"]))
        if overflow and float(self.model.loss_scale.factor.numpy()) > 1:
            return
        text = self._report(before, logs)
        if self._in_a_row > self._skips:
            raise NonFiniteError(
                f"{text} Stopped; bind train.Trainer.skip_non_finite to skip such steps, or start "
                f"anew with a lower learning rate."
            )
        self._say(f"{text} The step is skipped on all workers, {counted} by now.")

    def _present(self) -> int:
        return int(self.model.position.numpy()[replicas.worker()])

    def _report(self, position: int, logs: dict) -> str:
        step = self._checkpoints.step() + 1
        keys, which = self._suspects(position)
        named = ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
        terms = [n for n, v in logs.items() if n.startswith("loss/") and not np.isfinite(float(v))]
        return (
            f"Step {step}, worker {replicas.worker()}: "
            f"{' and '.join(terms) or 'the gradient'} not finite; {which}: {named}. "
            f"The last good checkpoint is {self._checkpoints.latest}."
        )

    def _suspects(self, position: int) -> tuple[list[str], str]:
        """Keys of the examples in this worker's batch at `position`, and what is known of them."""
        place = {"worker": replicas.worker(), "workers": replicas.workers()}
        size = self._pipeline.batch_size // place["workers"]
        batch = next(iter(self._pipeline.batches(position, batch_size=size, **place)))
        parts = [slice(i, i + _AT_ONCE) for i in range(0, size, _AT_ONCE)]
        bad = np.concatenate([self._not_finite(batch["images"][p], batch["ids"][p]) for p in parts])
        positions = batch["position"].numpy()
        if bad.any():
            return self._pipeline.keys(positions[bad], **place), "examples without finite features"
        return self._pipeline.keys(positions, **place), "all features are finite, of"

    def _not_finite(self, images: tf.Tensor, ids: tf.Tensor) -> np.ndarray:
        """bool [B]: whether a feature of the pair is not finite, with the present weights."""
        views = (*self.model.encode_images(images), *self.model.encode_texts(ids))
        features = [f for view in views for f in (view.embedding, view.tokens)]
        rows = [tf.math.is_finite(tf.reshape(f, [len(ids), -1])) for f in features]
        return ~np.all([tf.reduce_all(row, axis=1) for row in rows], axis=0)
