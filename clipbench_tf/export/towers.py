"""What an export tells of its towers, so that other libraries can be given its weights."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer

OWN = (VisionTransformer, ModifiedResNet, TextTransformer)


def facts(method: Method) -> dict[str, dict[str, Any]]:
    """The class of each tower of `method` and the arguments that make it, for the model card."""
    return {part: described(tower) for part, tower in method.towers.items()}


def described(tower: keras.layers.Layer) -> dict[str, Any]:
    """{"class": its name}, and, of our own towers, all arguments as JSON values."""
    kind = type(tower)
    if not isinstance(tower, OWN):
        return {"class": kind.__name__}
    given = tower.get_config()
    known = inspect.signature(kind.__init__).parameters.values()
    arguments = {
        p.name: given.get(p.name, p.default) for p in known if p.name not in ("self", "name")
    }
    lists = {name: list(v) for name, v in arguments.items() if isinstance(v, tuple | list)}
    return {"class": kind.__name__, **arguments, **lists}


def made(described: Mapping[str, Any]) -> keras.layers.Layer:
    """A new tower, with random weights, from what `described` tells of one of our own."""
    kinds = {kind.__name__: kind for kind in OWN}
    return kinds[described["class"]](**{n: v for n, v in described.items() if n != "class"})
