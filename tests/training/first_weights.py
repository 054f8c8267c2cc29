"""Small methods that are given their first weights; as a program, one of two workers that are.

python -m tests.training.first_weights <folder to write to> <source of worker 0> <of worker 1>
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.features import Batch
from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.optimization.recipe import Recipe
from clipbench_tf.training import initialization
from tests.method.small_method import LENGTH


def pairs(size: int, length: int) -> Batch:
    random = np.random.default_rng(0)
    ids = np.zeros((4, 2, length), np.int32)
    ids[..., :3] = random.integers(1, 20, (4, 2, 3))
    images = random.integers(0, 256, (4, 3, size, size, 3))
    return {
        "images": tf.constant(images, tf.uint8),
        "ids": tf.constant(ids),
        "position": tf.range(4, dtype=tf.int64),
    }


def method(name="clip", objectives=None, size=32, length=LENGTH, width=8, kind="vit", **arguments):
    if kind == "vit":
        image = VisionTransformer(
            image_size=size, patch_size=16, width=width, depth=2, heads=2, embed_dim=6
        )
    else:
        image = ModifiedResNet(image_size=size, depths=(1, 1, 1, 1), width=4, heads=2, embed_dim=6)
    text = TextTransformer(
        context_length=length, vocabulary_size=20, width=4, depth=1, heads=2, embed_dim=6
    )
    made = Method(
        image_encoder=image,
        text_encoder=text,
        objectives=objectives or [ImageText()],
        name=name,
        **arguments,
    )
    Recipe(epochs=2, warmup_epochs=0).compile(made, pairs(size, length), 4)
    return made


def values(layer):
    return {v.path.split("/", 1)[1]: v.numpy() for v in layer.variables}


def saved(folder):
    """What TensorFlow reads from the only checkpoint of a run, by path below the method."""
    reader = tf.train.load_checkpoint(f"{folder}/checkpoints/ckpt-1")
    begin, end = "variables/source.S", "/.ATTRIBUTES/VARIABLE_VALUE"
    return {
        name.removeprefix(begin).removesuffix(end).replace(".S", "/"): reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith(begin)
    }


def embeddings(made):
    """Of the pictures and captions of `pairs`, as they are evaluated."""
    features = made.call(pairs(32, LENGTH))
    return [view.embedding for view in (*features.images, *features.texts)]


def main() -> None:
    folder, sources = Path(sys.argv[1]), sys.argv[2:]
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        made, worker = method(), replicas.worker()
        initialization.initialize(made, sources[worker], strategy)
    np.savez(folder / f"{worker}.npz", **values(made))
    replicas.barrier(strategy)


if __name__ == "__main__":
    main()
