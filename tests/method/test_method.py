"""One optimizer step of a method, against the tape, NumPy and PyTorch's AdamW."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from clipbench_tf.method import Method
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.objectives.text_mlm import TextMLM
from clipbench_tf.optimization.recipe import Recipe, decayed
from tests.method.small_method import SIZE, STEPS_PER_EPOCH, batch, compiled, towers


class Steep(Objective):
    """Pulls the temperature with a gradient of any size; of the towers it uses nothing."""

    def __init__(self, slope: float, name: str = "steep") -> None:
        super().__init__(weight=1.0, name=name)
        self.slope = slope

    def call(self, features, training=False):
        return self.slope * tf.math.log(features.scale)


def declip() -> list[Objective]:
    return [
        ImageText(weight=0.4),
        MultiView(weight=0.2),
        TextMLM(weight=0.3),
        NearestNeighbor(weight=0.1, size=32),
    ]


def gradients(method: Method, sample) -> list[np.ndarray | None]:
    """Of the weighted sum, written out once more, dense."""
    with tf.GradientTape() as tape:
        features = method.call(sample, training=True)
        total = sum(o.weight * o.call(features, training=True) for o in method.objectives)
    found = tape.gradient(total, [v.value for v in method.trainable_variables])
    return [None if g is None else tf.convert_to_tensor(g).numpy() for g in found]


def snapshot(method: Method) -> list[np.ndarray]:
    return [v.numpy() for v in method.trainable_variables]


def rate(step: int) -> float:
    """Three epochs of four steps, the first for the warm-up."""
    if step < STEPS_PER_EPOCH:
        return 1e-4 + 9e-4 * step / STEPS_PER_EPOCH
    return 5e-4 * (1 + np.cos(np.pi * (step - STEPS_PER_EPOCH) / (2 * STEPS_PER_EPOCH)))


# Where two ways to sum are compared: the gradients of the keys' biases are zero but for rounding,
# and Adam would make whole steps of them.
STEADY = Recipe(epochs=3, epsilon=1e-3)


def test_loss_is_the_weighted_sum_of_the_objectives():
    sample = batch(views=2, texts=2)
    method = compiled(declip(), sample)
    features = method(sample)
    alone = {o.name: float(o(features)) for o in method.objectives}
    logs = {name: float(value) for name, value in method.train_step(sample).items()}
    steps = {"temperature", "gradient_norm", "skipped_steps", "stop"}
    assert set(logs) == {"loss", *steps, *(f"loss/{n}" for n in alone)}
    for name, value in alone.items():
        np.testing.assert_allclose(logs[f"loss/{name}"], value, rtol=1e-5)
    weights = {"image_text": 0.4, "multi_view": 0.2, "text_mlm": 0.3, "nearest_neighbor": 0.1}
    assert set(weights) == set(alone)
    expected = sum(weights[name] * value for name, value in alone.items())
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


def test_steps_equal_those_of_torch():
    sample = batch()
    method = compiled()
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in snapshot(method)]
    spared = [not decayed(v) for v in method.trainable_variables]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p, s in zip(theirs, spared, strict=True) if s], "weight_decay": 0.0},
            {"params": [p for p, s in zip(theirs, spared, strict=True) if not s]},
        ],
        weight_decay=0.1,
        betas=(0.9, 0.98),
        eps=1e-8,
    )
    compared = [np.full(v.shape, True) for v in method.trainable_variables]
    for step in range(4):
        computed = gradients(method, sample)
        for parameter, gradient in zip(theirs, computed, strict=True):
            parameter.grad = torch.tensor(gradient)
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        method.train_step(sample)
        for v, parameter, g, large in zip(
            method.trainable_variables, theirs, computed, compared, strict=True
        ):
            # Keras adds epsilon before the bias correction, which small gradients see; and those
            # of the keys' biases are zero but for rounding.
            large &= (np.abs(g) > 1e-4) | (g == 0)
            assert large.mean() > 0.3, v.path
            ours, expected = v.numpy(), parameter.detach().numpy()
            np.testing.assert_allclose(
                ours[large], expected[large], rtol=0, atol=2e-6, err_msg=v.path
            )
            with torch.no_grad():
                parameter.copy_(torch.tensor(ours))


def test_a_word_of_several_captions_takes_a_step_along_the_sum_of_its_gradients():
    sample = batch()
    method = compiled()
    table = method.text_encoder.token_embedding.embeddings
    (index,) = [i for i, v in enumerate(method.trainable_variables) if v is table]
    before = table.numpy()
    gradient = gradients(method, sample)[index]
    method.train_step(sample)
    # Adam's first step has the length of the learning rate, whatever that of the gradient.
    large = np.abs(gradient) > 1e-4
    step = (table.numpy() - before * (1 - 1e-5))[large]
    assert large.sum() > 20
    np.testing.assert_allclose(step, -1e-4 * np.sign(gradient[large]), rtol=0.01)


def test_gradient_norm_is_that_of_all_gradients_of_the_step():
    sample = batch(views=2, texts=2)
    method = compiled([ImageText(), TextMLM()], sample)
    expected = np.sqrt(
        sum((g.astype(np.float64) ** 2).sum() for g in gradients(method, sample) if g is not None)
    )
    np.testing.assert_allclose(method.train_step(sample)["gradient_norm"], expected, rtol=1e-5)


def test_gradient_norm_in_float16_is_that_before_the_loss_is_scaled():
    sample = batch()
    keras.utils.set_random_seed(0)
    exact = compiled().train_step(sample)["gradient_norm"]
    keras.config.set_dtype_policy("mixed_float16")
    keras.utils.set_random_seed(0)
    method = compiled()
    method.loss_scale.factor.assign(64.0)
    np.testing.assert_allclose(method.train_step(sample)["gradient_norm"], exact, rtol=0.05)


def test_temperature_starts_at_the_papers_value():
    method = compiled()
    np.testing.assert_allclose(method.scale(), 1 / 0.07, rtol=1e-6)
    np.testing.assert_allclose(method.train_step(batch())["temperature"], 0.07, rtol=1e-6)
    np.testing.assert_allclose(compiled(temperature=0.5).scale(), 2.0, rtol=1e-6)


@pytest.mark.parametrize(("slope", "bound"), [(-1e6, 0.01), (1e6, 1.0)])
def test_temperature_stays_within_its_range(slope, bound):
    method = compiled([Steep(slope)], recipe=Recipe(epochs=3, start_learning_rate=100.0))
    method.train_step(batch())
    np.testing.assert_allclose(1 / method.scale(), bound, rtol=1e-5)
    # A gradient back into the range is followed.
    method.objectives[0].slope = -slope
    for _ in range(20):
        method.train_step(batch())
    assert 0.0099 < 1 / float(method.scale()) < 1.0001
    assert not np.isclose(1 / float(method.scale()), bound)


def test_temperature_has_bounds_of_its_own():
    method = compiled(
        [Steep(-1e6)],
        recipe=Recipe(epochs=3, start_learning_rate=100.0),
        temperature=0.049787,
        temperature_range=(0.002479, 0.049787),
    )
    method.train_step(batch())
    np.testing.assert_allclose(1 / method.scale(), 0.002479, rtol=1e-5)


@pytest.mark.parametrize("values", [(0.07, (0.1, 1.0)), (2.0, (0.01, 1.0)), (0.07, (0.0, 1.0))])
def test_a_temperature_outside_its_range_is_refused(values):
    with pytest.raises(ValueError, match="outside temperature_range"):
        Method(
            **towers(), objectives=[ImageText()], temperature=values[0], temperature_range=values[1]
        )


def test_objectives_must_have_different_names():
    with pytest.raises(ValueError, match=r"distinct names, got \['image_text', 'image_text'\]"):
        Method(**towers(), objectives=[ImageText(), ImageText()])
    with pytest.raises(ValueError, match="needs objectives"):
        Method(**towers(), objectives=[])
    method = compiled([ImageText(), ImageText(weight=0.5, name="again")])
    logs = method.train_step(batch())
    np.testing.assert_allclose(logs["loss"], 1.5 * logs["loss/again"], rtol=1e-6)


def test_what_no_objective_uses_is_left_alone():
    method = compiled([FineGrained(width=5)])
    unused = [method.image_encoder.proj.kernel, method.text_encoder.proj.kernel]
    unused += method.image_encoder.ln_post.trainable_variables
    before = [v.numpy() for v in unused]
    used = method.image_encoder.conv1.kernel.numpy()
    for _ in range(2):
        method.train_step(batch())
    for v, value in zip(unused, before, strict=True):
        np.testing.assert_array_equal(v.numpy(), value, err_msg=v.path)
    assert np.abs(method.image_encoder.conv1.kernel.numpy() - used).min() > 0


def test_views_in_one_call_equal_views_one_by_one():
    sample = batch(count=3, views=3, texts=2)
    method = compiled([ImageSimCLR(widths=(4, 4, 4))], sample)
    features = method(sample)
    assert (len(features.images), len(features.texts)) == (3, 2)
    for kind, encode, key in [
        ("images", method.image_encoder, "images"),
        ("texts", method.text_encoder, "ids"),
    ]:
        for index, view in enumerate(getattr(features, kind)):
            alone = encode(sample[key][:, index])
            assert type(view) is type(alone)
            for ours, theirs in zip(view, alone, strict=True):
                assert ours.dtype == theirs.dtype
                np.testing.assert_allclose(np.float32(ours), np.float32(theirs), rtol=0, atol=1e-5)


def test_a_view_is_shared_by_the_objectives_that_read_it():
    calls = []
    method = compiled(declip(), batch(views=2, texts=2))
    encode = method.image_encoder.call
    method.image_encoder.call = lambda images: calls.append(images.shape) or encode(images)
    method.train_step(batch(views=2, texts=2))
    assert calls == [(8, SIZE, SIZE, 3)]


def test_position_is_that_after_the_last_pair():
    method = compiled()
    assert method.position.numpy() == 0
    method.train_step(batch(start=40))
    assert method.position.numpy() == 44
    gaps = {**batch(), "position": tf.constant([50, 47, 59, 46], tf.int64)}
    method.train_step(gaps)
    assert method.position.numpy() == 60


SAMPLES = [batch(seed=i, start=4 * i) for i in range(3)]


@pytest.fixture(scope="module")
def by_hand() -> tuple[Method, list[dict]]:
    """A method that has taken a step on each of SAMPLES, and what they logged."""
    keras.utils.set_random_seed(1)
    method = compiled(recipe=STEADY)
    return method, [method.train_step(sample) for sample in SAMPLES]


def fit() -> tuple[Method, dict]:
    """The same method, after the same steps by `fit`, and the history."""
    keras.utils.set_random_seed(1)
    method = compiled(recipe=STEADY)
    stacked = tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *SAMPLES)
    data = tf.data.Dataset.from_tensor_slices(stacked).batch(4, drop_remainder=True).repeat()
    return method, method.fit(data, steps_per_epoch=3, shuffle=False, verbose=0).history


def assert_same(ours: list[keras.Variable], theirs: list[keras.Variable]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=2e-5, err_msg=one.path)


def test_fit_equals_steps_by_hand_and_logs_their_means(by_hand):
    method, logs = by_hand
    fitted, history = fit()
    assert_same(fitted.variables, method.variables)
    assert fitted.optimizer.iterations.numpy() == 3
    assert fitted.position.numpy() == 12
    assert set(history) == set(logs[0])
    np.testing.assert_allclose(history["loss"][0], logs[-1]["loss"], rtol=1e-4)


def test_two_replicas_train_as_one(two_replicas, by_hand):
    one, _ = by_hand
    with two_replicas.scope():
        two, _ = fit()
    assert two.position.numpy() == one.position.numpy() == 12
    assert_same(two.trainable_variables, one.trainable_variables)
