"""What an export tells of its towers, so that other libraries can be given its weights."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer

OWN = (VisionTransformer, ModifiedResNet, TextTransformer)


def facts(method: Method, saved: Iterable[tf.Variable]) -> dict[str, Any]:
    """Fields of the model card.

    Args:
        method: built.
        saved: the variables that the SavedModel keeps, in its order.

    Returns:
        "towers", the class of each and the arguments that make it; and "variables", the path below
        the method of each of `saved`, or "" for what is no weight of it.
    """
    paths = {}
    for variable in method.variables:
        for copy in getattr(variable.value, "values", [variable.value]):
            paths[copy.ref()] = variable.path.removeprefix(f"{method.name}/")
    return {
        "towers": {
            "image": described(method.image_encoder),
            "text": described(method.text_encoder),
        },
        "variables": [paths.get(variable.ref(), "") for variable in saved],
    }


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
