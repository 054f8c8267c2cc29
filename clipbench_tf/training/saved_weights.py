"""The weights in the checkpoints of a run, or of a folder laid out as one."""

import contextlib
from pathlib import Path

import numpy as np
import tensorflow as tf

_COUNTERS = ("position", "skipped_steps", "loss_scale")


class InitializationError(ValueError):
    """A run cannot begin with the weights that it asks for; the message names the remedy."""


class SavedWeights:
    """The variables of a checkpoint by their path below the method, whose name runs differ in.

    Args:
        folder: of a run or of converted weights, whose latest checkpoint counts; one of
            checkpoints, such as `runs/clip/checkpoints/best`; or a checkpoint, such as
            `runs/clip/checkpoints/ckpt-705`.

    Attributes:
        path: of the checkpoint.
        shapes: by path.
        weights: paths of what can be weights: not the optimizer's, nor the method's counters.

    Raises:
        InitializationError: if there is no checkpoint, or it cannot be read.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.path = _checkpoint(folder)
        try:
            self._reader = tf.train.load_checkpoint(self.path)
            shapes = self._reader.get_variable_to_shape_map()
        except (tf.errors.OpError, ValueError) as error:
            raise self._unreadable(error) from error
        # Names as checkpoints/checkpoints.py writes them: each variable's path, "/" written ".S".
        self._names: dict[str, str] = {}
        self.weights: set[str] = set()
        for name in shapes:
            kind, path = name.split("/")[:2] if "/" in name else ("", "")
            owner, _, rest = path.replace(".S", "/").partition("/")
            rest = rest.removeprefix("locked/")  # what held a locked tower in earlier versions
            if kind == "variables" and rest:
                self._names[rest] = name
                if owner != "adamw" and rest.split("/")[0] not in _COUNTERS:
                    self.weights.add(rest)
        self.shapes = {rest: tuple(shapes[name]) for rest, name in self._names.items()}

    def read(self, name: str) -> np.ndarray:
        """The value of the variable `name`.

        Raises:
            InitializationError: if it cannot be read.
        """
        try:
            return self._reader.get_tensor(self._names[name])
        except (tf.errors.OpError, IndexError) as error:  # IndexError: a file is too short
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InitializationError:
        reason = str(error).strip().splitlines()[:1]
        return InitializationError(
            f"The checkpoint {self.path} cannot be read: {' '.join(reason)}. Bind another one to "
            f"train.Trainer.init_from."
        )


def _checkpoint(folder: str) -> str:
    """The path of the checkpoint that `folder` is, or of the latest in it.

    Raises:
        InitializationError: if there is none.
    """
    if Path(f"{folder}.index").is_file():
        return folder
    for place in (Path(folder, "checkpoints"), Path(folder)):
        with contextlib.suppress(ValueError):  # the list of checkpoints is empty
            if (found := tf.train.latest_checkpoint(str(place))) is not None:
                return found
    raise InitializationError(
        f"There is no checkpoint in {folder!r}, but train.Trainer.init_from names it. Train that "
        f"run first, or bind the folder of another run or of converted weights."
    )
