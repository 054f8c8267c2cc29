"""Saves checkpoints: at intervals, at the end, and before the process obeys a signal."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import keras
import tensorflow as tf

from clipbench_tf.checkpoints.checkpoints import CheckpointError, Checkpoints
from clipbench_tf.distribution import replicas


class Stopped(SystemExit):
    """Training stopped by a signal, with everything saved."""


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves every `every` steps, at the end, and before it obeys SIGTERM or Ctrl-C.

    A signal to any worker sets the method's `stop`, which the next step tells all workers: they
    stop after the same one. The chief alone writes.

    Args:
        checkpoints: where to.
        every: the interval in steps.
        total_steps: of the whole run, which may take several `fit`s.
        say: prints a line for the user.

    Raises:
        Stopped: after such a signal, with exit status 128 + its number (SIGTERM's, where another
            worker received it). A second signal acts at once.
        CheckpointError: after such a signal, if the state could not be saved.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        every: int,
        total_steps: int,
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self._checkpoints, self._every, self._say = checkpoints, every, say
        self._total = total_steps
        self._chief = replicas.worker() == 0
        self._signal: int | None = None
        self._saved = 0
        self._handlers: dict[int, Any] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._saved = self._checkpoints.step()
        if not self._handlers:
            # One before training, which Python has dropped (see commands/shared/stopping.py).
            if getattr(signal.getsignal(signal.SIGINT), "received", False):
                raise KeyboardInterrupt
            for number in (signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._say(f"{signal.Signals(number).name}: saving first.")
        signal.signal(number, self._handlers[number])

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self._signal is not None:
            self.model.stop.assign(1.0)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step, stopping = self._checkpoints.step(), float((logs or {}).get("stop", 0.0)) > 0
        if stopping:
            self._stop(step, self._save())
        if step - self._saved >= self._every:
            self._save()
            self._saved = step

    def on_train_end(self, logs: dict | None = None) -> None:
        saved, step = self._save(), self._checkpoints.step()
        if step < self._total:
            return  # another `fit` follows; its next step tells all workers of a signal
        if self._signal is not None:
            self._stop(step, saved)
        self._restore_handlers()

    def _save(self) -> bool:
        return not self._chief or self._checkpoints.save()

    def _stop(self, step: int, saved: bool) -> None:
        self._restore_handlers()
        # Other workers would take an early exit for a failure.
        if not replicas.barrier(tf.distribute.get_strategy(), saved):
            raise CheckpointError(
                f"Stopped after step {step}, which could not be saved; the same command goes on "
                f"from {self._checkpoints.latest}."
            )
        self._say(f"Saved at step {step}; the same command goes on from there.")
        raise Stopped(128 + (self._signal or signal.SIGTERM))

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
