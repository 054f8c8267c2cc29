"""Checkpoints: the last few and the best, written atomically, restored exactly."""

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import tensorflow as tf


class Checkpoints:
    """Saves and restores everything a run needs to go on as if it had never stopped.

    That is the weights, the optimizer's state, the position in the data, and the state of the
    objectives. TensorFlow writes each file under a temporary name and renames it, and names a
    checkpoint as the latest only when it is whole.
    """

    def __init__(self, folder: Path, method: keras.Model, keep: int = 3) -> None:
        self.method = method
        self.best_value = tf.Variable(float("-inf"), trainable=False, name="best_value")
        self._seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64, name="seconds")
        self._mark = time.monotonic()
        # By path: TensorFlow does not see the layers that Keras 3 keeps in lists.
        variables = {v.path: v.value for v in (*method.variables, *method.optimizer.variables)}
        state = tf.train.Checkpoint(
            variables=variables, best_value=self.best_value, seconds=self._seconds
        )
        self._last = tf.train.CheckpointManager(state, str(folder), max_to_keep=keep)
        self._best = tf.train.CheckpointManager(state, str(folder / "best"), max_to_keep=1)

    def restore(self) -> int:
        """Loads the latest checkpoint, if any; returns the step that it was saved at, else 0."""
        if self._last.latest_checkpoint is None:
            return 0
        status = self._last.checkpoint.restore(self._last.latest_checkpoint)
        status.assert_consumed()
        return self.step()

    def step(self) -> int:
        """Number of optimizer steps taken."""
        return int(self.method.optimizer.iterations.numpy())

    def seconds(self) -> float:
        """Time that the run has taken up to now, in all of its processes."""
        now = time.monotonic()
        self._seconds.assign_add(now - self._mark)
        self._mark = now
        return float(self._seconds.numpy())

    def save(self) -> None:
        """Saves the present state as the latest, unless it is saved already."""
        latest = self._last.latest_checkpoint
        if latest is None or not latest.endswith(f"-{self.step()}"):
            self.seconds()
            self._last.save(checkpoint_number=self.step())

    def save_best(self, value: float) -> None:
        """Saves the present state as the best if `value` is above all before."""
        if value > float(self.best_value.numpy()):
            self.best_value.assign(value)
            self._best.save(checkpoint_number=self.step())


class BestCheckpoint:
    """A log that saves the best checkpoint whenever the value called `name` rises."""

    def __init__(self, checkpoints: Checkpoints, name: str) -> None:
        self._checkpoints, self._name = checkpoints, name

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the results of an evaluation at `step`."""
        self._checkpoints.save_best(values[self._name])


class Stopped(SystemExit):
    """Training stopped by a signal, with everything saved."""


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves every `every` steps, at the end, and before it obeys SIGTERM or Ctrl-C.

    Args:
        checkpoints: where to.
        every: the interval in steps.
        say: tells the user.

    Raises:
        Stopped: after such a signal, with exit status 128 + its number. A second signal acts at
            once.
    """

    def __init__(
        self, checkpoints: Checkpoints, every: int, say: Callable[[str], None] = print
    ) -> None:
        super().__init__()
        self._checkpoints, self._every, self._say = checkpoints, every, say
        self._signal: int | None = None
        self._saved = 0
        self._handlers: dict[int, Any] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._saved = self._checkpoints.step()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._say(f"{signal.Signals(number).name}: saving first.")
        signal.signal(number, self._handlers[number])

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = self._checkpoints.step()
        if self._signal is not None or step - self._saved >= self._every:
            self._checkpoints.save()
            self._saved = step
        if self._signal is not None:
            self._restore_handlers()
            self._say(f"Saved at step {step}; the same command goes on from there.")
            raise Stopped(128 + self._signal)

    def on_train_end(self, logs: dict | None = None) -> None:
        self._checkpoints.save()
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
