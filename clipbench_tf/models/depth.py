"""How deep the layers of a tower lie: locking and layer-wise learning rates go by it."""

from collections.abc import Mapping

import keras

from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer

# What lies before the first block.
_STEM = {"conv1", "conv2", "conv3", "bn1", "bn2", "bn3"}
_EMBEDDINGS = {"conv1", "class_embedding", "token_embedding", "positional_embedding", "ln_pre"}


def blocks(tower: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The blocks of `tower` in order: transformer blocks, or bottlenecks of a ResNet.

    Raises:
        ValueError: for another tower; it is not known what lies where.
    """
    if isinstance(tower, ModifiedResNet):
        return tower.blocks
    if isinstance(tower, (VisionTransformer, TextTransformer)):
        return tower.transformer.blocks
    raise ValueError(
        f"The order of layers in the tower {type(tower).__name__} is not known: bind "
        f"recipe.Recipe.layer_decay = 1.0 and leave the tower out of method.Method.locked. A tower "
        f"of KerasHub has a `locked` of its own; another one is added in models/depth.py."
    )


def depth(tower: keras.layers.Layer, variable: keras.Variable) -> int:
    """Where `variable` of the built `tower` lies.

    Returns:
        0 for embeddings or stem, 1 to n for the n blocks, n + 1 for what follows them: last norm,
        attention pool, projection.
    """
    names = [block.name for block in blocks(tower)]
    place = variable.path.removeprefix(f"{tower.path}/").split("/")
    for name in place[:2]:  # a ResNet's bottlenecks, and the blocks in `transformer`
        if name in names:
            return 1 + names.index(name)
    first = _STEM if isinstance(tower, ModifiedResNet) else _EMBEDDINGS
    return 0 if place[0] in first else len(names) + 1


def lock(towers: Mapping[str, keras.layers.Layer], free: Mapping[str, int]) -> None:
    """Locks some of the `towers`: their variables do not train, their batch norms infer.

    Part of a tower is locked when it is built; before that, this only checks it.

    Args:
        towers: by name.
        free: the number of last blocks that stay free, with what follows them, by the name of a
            tower that is locked; with 0 nothing stays free.

    Raises:
        ValueError: for another name or number, or a tower whose order of layers is not known.
    """
    for name, number in free.items():
        if name not in towers:
            raise ValueError(
                f"method.Method.locked names {name!r}; give {' or '.join(map(repr, towers))}."
            )
        count = len(blocks(towers[name]))
        if not 0 <= number <= count:
            raise ValueError(
                f"method.Method.locked leaves {number} blocks of the {name} tower free, which has "
                f"{count}; give 0 to lock all of it, or at most {count} to lock what lies before "
                f"its blocks."
            )
        if number:
            _lock_before(towers[name], count + 1 - number)
        else:
            towers[name].trainable = False


def _lock_before(tower: keras.layers.Layer, first: int) -> None:
    """Locks what lies less deep in `tower` than `first`."""
    locked = {v.path for v in tower.variables if depth(tower, v) < first}
    for layer in tower._flatten_layers():
        own = {v.path for v in layer.variables}
        if own and own <= locked:
            layer.trainable = False  # not its variables alone, for batch norms
    for variable in tower.variables:
        if variable.path in locked:
            variable.trainable = False
