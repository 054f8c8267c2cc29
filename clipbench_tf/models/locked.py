"""LiT's locked image tower: frozen weights of another run (Zhai et al. 2021)."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf.features import ImageFeatures


class LockedTowerError(ValueError):
    """There are no weights for a locked tower; the message names the folder and the remedy."""


class Locked(keras.layers.Layer):
    """An image tower with the weights of another run: no gradient, batch norms in inference mode.

    The whole tower is locked, its projection included; only the text tower adapts to it. Deviates:
    LiT's tower was trained on labelled pictures, this one in another run of this package.

    A resumed run restores the tower from its own checkpoints, and the other run may be deleted by
    then. Therefore a lack of usable weights is an error at the first training step, not before.

    Call shape: that of `encoder`.

    Args:
        encoder: a tower of the same sizes as in the other run. The number of heads, which does
            not show in the weights, is not compared.
        checkpoint: the folder of the other run, or one of checkpoints such as
            `runs/clip/checkpoints/best`; the latest checkpoint in it counts.

    Raises:
        LockedTowerError: in training, if there is no such checkpoint or its tower has other sizes.
    """

    def __init__(
        self, *, encoder: keras.layers.Layer, checkpoint: str, name: str = "locked"
    ) -> None:
        super().__init__(name=name)
        self.encoder, self.checkpoint = encoder, checkpoint
        self.image_size = encoder.image_size
        self._problem = ""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.encoder(tf.zeros([1, *input_shape[1:]], tf.uint8))
        self.encoder.trainable = False
        try:
            load(self.encoder, self.checkpoint)
        except ValueError as error:
            self._problem = str(error)
            self._random = [v.numpy() for v in self.encoder.variables]

    def call(self, images: tf.Tensor, training: bool = False) -> ImageFeatures:
        if training:
            self.check()
        return tf.nest.map_structure(tf.stop_gradient, self.encoder(images, training=False))

    def check(self) -> None:
        """Raises LockedTowerError if the built tower still has its random weights."""
        if not self._problem:
            return
        with tf.init_scope():  # values can be read while a graph is traced, too
            now = [v.numpy() for v in self.encoder.variables]
        # Within a call under mixed precision, Keras reads variables in the compute dtype.
        before = [old.astype(new.dtype) for old, new in zip(self._random, now, strict=True)]
        if all(map(np.array_equal, now, before)):
            raise LockedTowerError(self._problem)


def load(encoder: keras.layers.Layer, folder: str | Path) -> None:
    """Sets the built `encoder` to the weights of the tower of its name in another run.

    Raises:
        ValueError: if `folder` has no checkpoint, or one with another tower.
    """
    places = [str(Path(folder, "checkpoints")), str(folder)]
    path = next(filter(None, map(tf.train.latest_checkpoint, places)), None)
    if path is None:
        raise ValueError(
            f"There is no checkpoint in {str(folder)!r}, whose image tower is to be locked. Train "
            f"that run first, or bind locked.Locked.checkpoint to the folder of another one."
        )
    reader = tf.train.load_checkpoint(path)
    shapes = reader.get_variable_to_shape_map()
    # Names as checkpoints/checkpoints.py writes them: each variable's path, "/" written ".S".
    marker = f".S{encoder.name}.S"
    names = {
        name.split(marker, 1)[1].split("/", 1)[0].replace(".S", "/"): name
        for name in shapes
        if marker in name
    }
    saved = {key: tuple(shapes[name]) for key, name in names.items()}
    variables = {v.path.removeprefix(f"{encoder.path}/"): v for v in encoder.variables}
    expected = {key: tuple(v.shape) for key, v in variables.items()}
    if saved != expected:
        key = min(key for key, _ in saved.items() ^ expected.items())
        raise ValueError(
            f"The tower {encoder.name} in {path} has other sizes than the one to be locked: "
            f"{key} is {saved.get(key, 'missing')} there, {expected.get(key, 'missing')} here. "
            f"Give both runs the same file of gin/models, or bind locked.Locked.checkpoint to a "
            f"run that fits."
        )
    for key, variable in variables.items():
        variable.assign(reader.get_tensor(names[key]))
