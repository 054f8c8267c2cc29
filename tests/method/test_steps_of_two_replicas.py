"""A whole training step on two replicas: agreement on what is skipped, clipped, and counted."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.features import Features
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.optimization.recipe import Recipe
from tests.method.small_method import LENGTH, batch, compiled

VIEWS = {"views": 3, "texts": 2}


class Trouble(Objective):
    """Lets the loss or its gradient be infinite on replica 1, once `on` is 1."""

    def __init__(self, where: str) -> None:
        super().__init__(weight=1.0, name="trouble")
        self.where = where

    def build(self, features_shape: Features) -> None:
        self.on = self.add_weight((), "zeros", trainable=False, name="on")

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        here = (self.on.value > 0) & (replicas.rank() == 1)
        infinite = tf.where(here, float("inf"), 0.0)

        @tf.custom_gradient
        def steep(x: tf.Tensor):
            return 0.0 * x, lambda upstream: upstream * infinite

        first = tf.cast(features.images[0].embedding[0, 0], tf.float32)
        return steep(first) + (infinite if self.where == "loss" else 0.0)


def stateful() -> list[Objective]:
    return [ImageText(), NearestNeighbor(size=64), ImageSimCLR(widths=(4, 4, 4))]


class Steps:
    """A method's step on both replicas, traced once."""

    def __init__(self, strategy: tf.distribute.Strategy, method) -> None:
        self.strategy = strategy
        self.run = replicas.distributed(method.train_step, strategy)

    def __call__(self, *samples: dict) -> list[dict]:
        """What is logged for each global batch, of which each replica takes its half."""
        whole = {name: np.concatenate([s[name] for s in samples]) for name in samples[0]}
        half = len(samples[0]["position"]) // 2
        data = tf.data.Dataset.from_tensor_slices(whole).batch(half, drop_remainder=True)
        dealt = iter(self.strategy.distribute_datasets_from_function(lambda context: data))
        return [{k: float(v) for k, v in self.run(dealt).items()} for _ in samples]


def copies(strategy: tf.distribute.Strategy, method) -> list[dict[str, np.ndarray]]:
    """Every variable as each replica holds it."""
    variables = [*method.variables, *method.optimizer.variables]
    return [
        {v.path: strategy.experimental_local_results(v.value)[i].numpy() for v in variables}
        for i in range(2)
    ]


@pytest.mark.parametrize(
    ("precision", "where"),
    [
        ("mixed_float16", "gradient"),
        # Without a loss scale.
        pytest.param("float32", "loss", marks=pytest.mark.slow),
        pytest.param("mixed_bfloat16", "loss", marks=[pytest.mark.bfloat16, pytest.mark.slow]),
    ],
)
def test_what_one_replica_cannot_compute_is_skipped_on_both(two_replicas, precision, where):
    keras.config.set_dtype_policy(precision)
    trouble = Trouble(where)
    with two_replicas.scope():
        method = compiled([*stateful(), trouble], batch(**VIEWS))
    if method.loss_scale is not None:
        method.loss_scale.factor.assign(64.0)
    samples = [batch(seed=i, start=4 * i, **VIEWS) for i in range(3)]
    steps = Steps(two_replicas, method)
    [good] = steps(samples[0])
    before = copies(two_replicas, method)[0]
    trouble.on.assign(1.0)
    [bad] = steps(samples[1])
    trouble.on.assign(0.0)
    held, other = copies(two_replicas, method)
    assert good["skipped_steps"] == 0
    assert bad["skipped_steps"] == 1
    assert np.isfinite(bad["loss"]) == (where == "gradient")
    changed = {name for name in held if not np.array_equal(held[name], before[name])}
    queue = {f"method/nearest_neighbor/{name}" for name in ("queue", "pointer")}
    scale = {"method/loss_scale/factor", "method/loss_scale/good_steps"}
    counted = {"method/position", "method/skipped_steps", "method/trouble/on"}
    assert changed <= {*counted, *queue, *scale}
    assert {"method/position", "method/skipped_steps"} <= changed
    for name, value in held.items():
        np.testing.assert_array_equal(other[name], value, err_msg=name)
        assert np.isfinite(value).all(), name
    if method.loss_scale is not None:
        assert held["method/loss_scale/factor"] == 32.0
    [after] = steps(samples[2])
    assert after["skipped_steps"] == 1, after
    first, second = copies(two_replicas, method)
    assert int(first["adamw/iteration"]) == 2
    assert not np.array_equal(first["method/logit_scale"], held["method/logit_scale"])
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, err_msg=name)


def test_a_clip_acts_on_the_gradient_of_the_global_batch(two_replicas):
    samples = [batch(seed=i, start=4 * i, **VIEWS) for i in range(3)]
    recipe = Recipe(epochs=3, warmup_epochs=1, clip_norm=0.5, epsilon=0.1)
    results = []
    for scope in (contextlib.nullcontext(), two_replicas.scope()):
        keras.utils.set_random_seed(0)
        with scope:
            method = compiled(stateful(), samples[0], recipe=recipe)
        if results:
            logs = Steps(two_replicas, method)(*samples)
        else:
            logs = [{k: float(v) for k, v in method.train_step(s).items()} for s in samples]
        results.append((logs, {v.path: v.numpy() for v in method.trainable_variables}))
    (alone, weights), (both, others) = results
    assert min(step["gradient_norm"] for step in alone) > 0.5
    for one, two in zip(alone, both, strict=True):
        np.testing.assert_allclose(two["gradient_norm"], one["gradient_norm"], rtol=1e-4)
    for name, value in weights.items():
        np.testing.assert_allclose(others[name], value, atol=1e-5, err_msg=name)


def test_a_clipped_step_is_the_unclipped_one_of_a_shorter_gradient():
    moved = []
    for clip_norm in (None, 0.5):
        keras.utils.set_random_seed(0)
        # With an epsilon this large, Adam's step is all but proportional to the gradient.
        method = compiled(
            recipe=Recipe(epochs=3, epsilon=1e6, weight_decay=0.0, clip_norm=clip_norm)
        )
        before = method.logit_scale.numpy()
        norm = float(method.train_step(batch())["gradient_norm"])
        moved.append(float(method.optimizer._momentums[0].numpy().ravel()[0]))
        assert np.isfinite(before)
    np.testing.assert_allclose(moved[1], moved[0] * 0.5 / norm, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "size"),
    [
        pytest.param("mixed_bfloat16", 2, marks=pytest.mark.bfloat16),
        # The same but for what bfloat16 has besides: it is sent as other 16 bits.
        ("float32", 4),
    ],
)
def test_fine_grained_sends_selected_tokens_in_the_towers_precision(two_replicas, precision, size):
    keras.config.set_dtype_policy(precision)
    width, items, patches = 5, 2, 4
    with two_replicas.scope():
        method = compiled([FineGrained(width=width, selection=0.5)], batch(count=4))
    [logs] = Steps(two_replicas, method)(batch(count=4))
    kept = items * (patches // 2 + LENGTH // 2)  # of both sides, on one replica
    tokens, gradients, masks = kept * width * size, kept * width * 4, kept * 2
    lengths = 2 * 4  # two int32
    # The other replica's tokens come once; their gradient goes around the ring twice.
    assert logs["traffic/fine_grained"] == tokens + masks + lengths + 2 * gradients


def test_image_text_sends_both_embeddings(two_replicas):
    with two_replicas.scope():
        method = compiled([ImageText()], batch(count=4))
    [logs] = Steps(two_replicas, method)(batch(count=4))
    embeddings = 2 * 2 * 6 * 4  # of both sides: 2 items, 6 wide, float32
    assert logs["traffic/image_text"] == embeddings + 2 * embeddings


@pytest.mark.slow
def test_towers_compiled_by_xla_take_the_same_steps(two_replicas):
    samples = [batch(seed=i, start=4 * i) for i in range(2)]
    results = []
    for compile_towers in (False, True):
        keras.utils.set_random_seed(0)
        with two_replicas.scope():
            method = compiled(
                [ImageText()],
                samples[0],
                recipe=Recipe(epochs=3, warmup_epochs=1, epsilon=1e-3),
                xla=compile_towers,
            )
        logs = Steps(two_replicas, method)(*samples)
        results.append((logs, {v.path: v.numpy() for v in method.trainable_variables}))
    (plain, weights), (xla, others) = results
    for one, two in zip(plain, xla, strict=True):
        np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-5)
    for name, value in weights.items():
        np.testing.assert_allclose(others[name], value, atol=1e-5, err_msg=name)
