"""A model that is evaluated: loaded when it is first needed, on each of the devices."""

import functools
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from clipbench_tf.evaluation.classifier_cache import model_checksum
from clipbench_tf.evaluation.zero_shot import Copy
from clipbench_tf.export import card
from clipbench_tf.export.saved_encoders import SavedEncoders


class DeviceError(ValueError):
    """A device that is not there; the message names those that are."""


class LoadedModel:
    """The export in `folder`, with a copy on each of `devices`, or where TensorFlow puts it.

    Raises:
        ExportError: for a folder that holds no export; later, when it is loaded, for a damaged one.
    """

    def __init__(self, folder: Path, devices: Sequence[str] = ()) -> None:
        self.folder, self.card, self.devices = folder, card.read(folder), tuple(devices)

    @property
    def label(self) -> str:
        """The last two parts of the path, such as "defilip/saved_model"."""
        return "/".join(self.folder.resolve().parts[-2:])

    @functools.cached_property
    def checksum(self) -> str:
        """See `model_checksum`; computed once."""
        return model_checksum(self.folder)

    @functools.cached_property
    def copies(self) -> list[Copy]:
        """The encoders on each device, in memory until `release`."""
        copies = []
        for device in self.devices or (None,):
            with tf.device(device):
                copies.append(Copy(device, SavedEncoders(self.folder)))
        return copies

    @property
    def encoders(self) -> SavedEncoders:
        """Those on the first device."""
        encoders = self.copies[0].encoders
        assert isinstance(encoders, SavedEncoders)
        return encoders

    @property
    def device_names(self) -> list[str]:
        """Of the devices that compute."""
        default = "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"
        return [*self.devices] or [default]

    def release(self) -> None:
        """Gives the memory of the copies back; they are loaded anew if they are asked for."""
        self.__dict__.pop("copies", None)


def devices(wanted: Sequence[str]) -> list[str]:
    """The devices that share the pictures: those `wanted`, or all GPUs if there are several.

    Raises:
        DeviceError: for one that this machine lacks.
    """
    there = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    names = list(dict.fromkeys(name.upper() for name in wanted))
    if missing := [name for name in names if name not in there]:
        raise DeviceError(f"There is no device {missing[0]!r}; there are {', '.join(there)}.")
    gpus = [name for name in there if name.startswith("GPU")]
    return names or (gpus if len(gpus) > 1 else [])
