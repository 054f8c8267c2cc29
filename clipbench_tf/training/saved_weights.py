"""The weights in the checkpoints of a run, or of a folder laid out as one."""

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
        self.folder = str(folder)
        if Path(f"{folder}.index").is_file():
            found = self.folder
        else:
            places = [Path(folder, "checkpoints"), Path(folder)]
            found = next(filter(None, (_latest(place) for place in places)), None)
        if found is None:
            raise InitializationError(
                f"There is no checkpoint in {self.folder!r}, but train.Trainer.init_from names it. "
                f"Train that run first, or bind the folder of another run or of converted weights."
            )
        self.path = found
        try:
            self._reader = tf.train.load_checkpoint(found)
            shapes = self._reader.get_variable_to_shape_map()
        except (tf.errors.OpError, ValueError) as error:
            raise self._unreadable(error) from error
        # Names as checkpoints/checkpoints.py writes them: each variable's path, "/" written ".S".
        self._names: dict[str, str] = {}
        self.weights: set[str] = set()
        for name in shapes:
            kind, path = name.split("/")[:2] if "/" in name else ("", "")
            owner, _, rest = path.replace(".S", "/").partition("/")
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


def _latest(folder: Path) -> str | None:
    """The latest checkpoint that the list in `folder` names."""
    try:
        return tf.train.latest_checkpoint(str(folder))
    except ValueError:  # the list is empty
        return None
