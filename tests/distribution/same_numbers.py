"""Trains small methods for some steps as one of several workers, or alone; leaves all numbers.

python -m tests.distribution.same_numbers <folder> <steps> <method:tower[:binding ...]> ...
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf import config
from clipbench_tf.data.text.vocabulary import Vocabulary
from clipbench_tf.distribution import replicas

BATCH, LENGTH = 16, 16
TOWERS = {
    "resnet": (
        "modified_resnet.ModifiedResNet.width = 8",
        "modified_resnet.ModifiedResNet.depths = (1, 1, 1, 1)",
        "modified_resnet.ModifiedResNet.heads = 4",
        # In a small ResNet, one ReLU that rounding turns over changes the gradient by 1e-4; at
        # 1e-4, weights that differ by 1e-7 at first differ by 5e-5 after 50 steps of one process.
        "recipe.Recipe.start_learning_rate = 2e-6",
        "recipe.Recipe.peak_learning_rate = 2e-6",
    ),
    "vit": (
        "vision_transformer.VisionTransformer.width = 24",
        "vision_transformer.VisionTransformer.depth = 2",
        "vision_transformer.VisionTransformer.heads = 2",
        "recipe.Recipe.start_learning_rate = 2e-6",
        "recipe.Recipe.peak_learning_rate = 1e-5",
    ),
}
COMMON = (
    "EMBED_DIM = 24",
    "text_transformer.TextTransformer.width = 16",
    "text_transformer.TextTransformer.depth = 2",
    "text_transformer.TextTransformer.heads = 2",
    # With the usual 1e-8, Adam turns the rounding of a gradient that is exactly 0 (of a bias before
    # a batch norm, of the keys in attention) into steps as long as any other.
    "recipe.Recipe.epsilon = 1e-3",
)
HEADS = {
    "slip": ("image_simclr.ImageSimCLR.widths = (32, 32, 16)",),
    # What a replica selects depends on what it sees (section 3.3): here nothing is selected.
    "filip": ("fine_grained.FineGrained.selection = 1.0",),
    "declip": ("nearest_neighbor.NearestNeighbor.size = 100",),
    "defilip": (
        "nearest_neighbor.NearestNeighbor.size = 100",
        "fine_grained.FineGrained.selection = 1.0",
    ),
}


class Numbers(keras.callbacks.Callback):
    """Everything that a step logs."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append({name: float(value) for name, value in logs.items()})


def global_batches(count: int, views: int, texts: int, size: int, vocabulary: Vocabulary):
    """Random pictures, and captions of random length with some masked words."""
    random = np.random.default_rng(0)
    for number in range(count):
        ids = np.zeros((BATCH, texts, LENGTH), np.int32)
        lengths = random.integers(3, LENGTH - 2, (BATCH, texts))
        for b, t in np.ndindex(BATCH, texts):
            words = random.integers(1, 400, lengths[b, t])
            ids[b, t, : lengths[b, t] + 2] = [vocabulary.start, *words, vocabulary.end]
        labels = np.full((BATCH, LENGTH), -100, np.int32)
        for b in range(BATCH):
            if random.random() < 0.7:
                place = random.integers(1, lengths[b, 0] + 1)
                labels[b, place], ids[b, 0, place] = ids[b, 0, place], vocabulary.mask
        yield {
            "images": random.integers(0, 256, (BATCH, views, size, size, 3)).astype(np.uint8),
            "ids": ids,
            "mlm_labels": labels,
            "position": np.arange(number * BATCH, (number + 1) * BATCH),
        }


def dealt(strategy: tf.distribute.Strategy, batches: list[dict]) -> tf.data.Dataset:
    """The global batches, of which every replica gets its part."""
    parts = strategy.num_replicas_in_sync
    stacked = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    data = tf.data.Dataset.from_tensor_slices(stacked).batch(BATCH // parts, drop_remainder=True)

    def of_worker(context):
        local = parts // context.num_input_pipelines
        first = context.input_pipeline_id * local
        mine = data.enumerate().filter(
            lambda number, _: (number % parts >= first) & (number % parts < first + local)
        )
        return mine.map(lambda _, batch: batch)

    return strategy.distribute_datasets_from_function(of_worker)


def train(strategy: tf.distribute.Strategy, case: str, steps: int) -> dict[str, np.ndarray]:
    """Takes `steps` steps; returns everything logged, and every variable afterwards."""
    name, tower, *bindings = case.split(":")
    files = [f"{name}.gin", f"models/emoji_{tower}.gin"]
    config.parse(files, [*COMMON, *TOWERS[tower], *HEADS.get(name, ()), *bindings])
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    method, recipe = config.build("method.Method"), config.build("recipe.Recipe")
    views, texts = (3 if name == "slip" else 2), 2
    size, vocabulary = method.image_encoder.image_size, method.text_encoder.vocabulary
    batches = list(global_batches(steps, views, texts, size, vocabulary))
    with strategy.scope():
        method.build({k: tf.constant(v[:2]) for k, v in batches[0].items()})
        method.compile(recipe.optimizer(method.trainable_variables, steps_per_epoch=20))
        numbers = Numbers()
        method.fit(
            dealt(strategy, batches),
            steps_per_epoch=steps,
            callbacks=[numbers],
            shuffle=False,
            verbose=0,
        )
    logged = {f"logged {k}": np.array([s[k] for s in numbers.steps]) for k in numbers.steps[0]}
    variables = (*method.variables, *method.optimizer.variables)
    return logged | {f"variable {v.path}": v.numpy() for v in variables}


def main() -> None:
    folder, steps, cases = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    alone = "TF_CONFIG" not in os.environ
    strategy = (
        tf.distribute.get_strategy() if alone else tf.distribute.MultiWorkerMirroredStrategy()
    )
    with strategy.scope():
        worker = replicas.worker()
    for case in cases:
        np.savez(folder / f"{case.replace(':', '-')}.{worker}.npz", **train(strategy, case, steps))
    replicas.barrier(strategy)


if __name__ == "__main__":
    main()
