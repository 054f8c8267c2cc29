"""Checkpoints: the last few and the best, written atomically, restored exactly."""

import shutil
import time
from pathlib import Path

import keras
import tensorflow as tf
from absl import logging

from clipbench_tf.checkpoints.disk import WRITE_ERRORS, reason


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read or written; the message names it and the remedy."""


class Checkpoints:
    """Saves and restores everything a run needs to go on as if it had never stopped.

    These are the weights, the optimizer's state, the position in the data, and the state of the
    objectives. TensorFlow writes each file under a temporary name and renames it, and lists a
    checkpoint as the latest only when it is complete.

    Args:
        folder: of the latest ones; the best one is in its folder `best`.
        method: compiled and built.
        keep: how many of the latest to keep.
        must_save: whether a failed write raises CheckpointError; otherwise it is logged and the
            run goes on, since earlier checkpoints stay valid.
    """

    def __init__(
        self, folder: Path, method: keras.Model, keep: int = 3, *, must_save: bool = False
    ) -> None:
        self.method, self.must_save = method, must_save
        self.best_value = tf.Variable(float("-inf"), trainable=False, name="best_value")
        self._seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64, name="seconds")
        self._mark = time.monotonic()
        # By path: TensorFlow does not see the layers that Keras 3 keeps in lists.
        variables = [*method.variables, *method.optimizer.variables]
        self._variables = {v.path: v.value for v in variables}
        if len(self._variables) < len(variables):
            raise ValueError(f"Two variables of {method.name} have the same path.")
        state = tf.train.Checkpoint(
            variables=self._variables, best_value=self.best_value, seconds=self._seconds
        )
        _ = state.save_counter  # created now, as all workers must create a variable together
        self._saved: int | None = None  # the step of the latest checkpoint known to be complete
        for place in (folder, folder / "best"):
            _recover_list(place)
        self._last = tf.train.CheckpointManager(state, str(folder), max_to_keep=keep)
        self._best = tf.train.CheckpointManager(state, str(folder / "best"), max_to_keep=1)

    def restore(self) -> int:
        """Loads the latest checkpoint, if any; returns the step that it was saved at, else 0.

        A checkpoint that cannot be read, for example after a full disk, is skipped with a warning.

        Raises:
            CheckpointError: if none can be read, or one belongs to another model.
        """
        latest_first = (self._last.latest_checkpoint, *self._last.checkpoints[::-1])
        paths = list(dict.fromkeys(filter(None, latest_first)))
        for path in paths:
            try:
                self._load(path)
            except (tf.errors.OpError, IndexError) as error:  # IndexError: a file is too short
                logging.warning("Skipped %s, which cannot be read: %s", path, error)
            else:
                self._saved = self.step()
                return self._saved
        if paths:
            raise CheckpointError(
                f"None of {', '.join(paths)} can be read. Remove the run folder to start again."
            )
        return 0

    def _load(self, path: str) -> None:
        saved = {
            name.split("/")[1].replace(".S", "/"): tuple(shape)
            for name, shape in tf.train.load_checkpoint(path).get_variable_to_shape_map().items()
            if name.startswith("variables/")
        }
        expected = {name: tuple(variable.shape) for name, variable in self._variables.items()}
        position = self.method.position.path
        differing = {name for name, _ in saved.items() ^ expected.items()}
        if differing == {position}:
            self._load_other_workers(path, saved[position])
            return
        if differing:
            name = min(sorted(differing), key=len)  # a weight, before its optimizer's state
            raise CheckpointError(
                f"{path} is of another model: {name} is {saved.get(name, 'missing')} there, "
                f"{expected.get(name, 'missing')} here. Choose another --workdir or remove the "
                f"folder."
            )
        self._last.checkpoint.restore(path).assert_consumed()

    def _load_other_workers(self, path: str, workers: tuple[int, ...]) -> None:
        """Loads a checkpoint of another number of workers, `workers` being its positions' shape.

        Each worker goes on at an equal share of all records read so far. As the current epoch is
        now divided differently, some of its records are read twice and some not at all.
        """
        before = tf.Variable(tf.zeros(workers, tf.int64), trainable=False)
        state = tf.train.Checkpoint(
            variables={**self._variables, self.method.position.path: before},
            best_value=self.best_value,
            seconds=self._seconds,
        )
        state.restore(path).assert_existing_objects_matched()
        now = self.method.position.shape[0]
        logging.warning("%s was saved by %d workers, this run has %d.", path, workers[0], now)
        self.method.position.assign(tf.fill([now], tf.reduce_sum(before) // now))

    def step(self) -> int:
        """Number of optimizer steps taken."""
        return int(self.method.optimizer.iterations.numpy())

    def seconds(self) -> float:
        """Wall-clock seconds that the run has taken so far, before and after every restart."""
        now = time.monotonic()
        self._seconds.assign_add(now - self._mark)
        self._mark = now
        return float(self._seconds.numpy())

    def save(self) -> bool:
        """Saves the current state as the latest unless it is saved; returns whether it now is."""
        step = self.step()
        if step != self._saved:
            self.seconds()
            if self._write(self._last, step):
                self._saved = step
        return step == self._saved

    def save_best(self, value: float) -> None:
        """Saves the current state as the best if `value` is above all earlier ones."""
        before = float(self.best_value.numpy())
        if value > before:
            self.best_value.assign(value)
            if not self._write(self._best, self.step()):
                self.best_value.assign(before)

    @property
    def latest(self) -> str:
        """The path of the latest checkpoint, or "none"."""
        return latest(self._last.directory)

    def _write(self, manager: tf.train.CheckpointManager, step: int) -> bool:
        """Saves the state with `manager`; returns whether it is saved.

        Raises:
            CheckpointError: if it is not, and `must_save` is set.
        """
        try:
            manager.save(checkpoint_number=step)
        except WRITE_ERRORS as error:
            text = (
                f"The state after step {step} could not be saved in {manager.directory}: "
                f"{reason(error)}. The last good checkpoint is {self.latest}. Make room, or make "
                f"the folder writable."
            )
            for part in Path(manager.directory).glob(f"ckpt-{step}*"):
                shutil.rmtree(part) if part.is_dir() else part.unlink()
            if self.must_save:
                raise CheckpointError(text) from error
            logging.error(text)
            return False
        return True


def latest(folder: str | Path) -> str:
    """The path of the latest checkpoint in `folder`, or "none"; any worker can call it."""
    return tf.train.latest_checkpoint(str(folder)) or "none"


def _recover_list(folder: Path) -> None:
    """Rebuilds the list of the checkpoints in `folder` if a crash of the machine has damaged it."""
    try:
        state = tf.train.get_checkpoint_state(str(folder))
    except ValueError:  # the file is empty
        state = None
    steps = sorted(int(path.stem.split("-")[1]) for path in folder.glob("ckpt-*.index"))
    if state is None and steps:
        logging.warning("The list of checkpoints in %s was lost and is rebuilt.", folder)
        paths = [str(folder / f"ckpt-{step}") for step in steps]
        tf.compat.v1.train.update_checkpoint_state(
            str(folder),
            paths[-1],
            paths,
            all_model_checkpoint_timestamps=[time.time()] * len(steps),
        )
