"""Views as a whole: seeds, shares, ranges, and the same pictures compiled or not."""

import io
import pickle

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from clipbench_tf.data.images.image_views import ImageViews, View, evaluation_view
from tests.data.pairs import PLAIN

SIZE = 16


def png(picture: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    draw = np.random.default_rng(0)
    sizes = [(20, 30), (16, 16), (40, 21), (64, 64)]
    return [png(draw.integers(0, 256, [*size, 3], np.uint8)) for size in sizes]


@pytest.fixture(scope="module")
def seeds() -> tf.Tensor:
    return tf.constant(np.random.default_rng(1).integers(-(2**31), 2**31, [400, 2]), tf.int32)


def views(policy: ImageViews, pictures: list[bytes], seeds: tf.Tensor) -> np.ndarray:
    """Both steps, one after the other: [B, V, S, S, 3]."""
    columns = [policy.crop(p, seed) for p, seed in zip(pictures, seeds, strict=False)]
    return policy.color(tf.stack(columns), seeds[: len(pictures)]).numpy()


def flat(policy: View, colours: np.ndarray, seeds: tf.Tensor) -> np.ndarray:
    """One view of the same columns for every seed: float [B, S, S, 3]."""
    columns = tf.tile(tf.constant(colours, tf.uint8)[None, None], [len(seeds), 1, 1, 1, 1])
    return ImageViews(size=SIZE, views=[policy]).color(columns, seeds)[:, 0].numpy().astype(float)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """A crop as columns, [S, 3, S], with no value that a factor up to 1.4 would clip."""
    return np.random.default_rng(2).integers(20, 180, [SIZE, 3, SIZE], np.uint8)


def test_shapes_and_seeds(pictures, seeds):
    policy = ImageViews(compiled=False, size=SIZE)
    result = views(policy, pictures, seeds)
    assert result.shape == (4, 2, SIZE, SIZE, 3) and result.dtype == np.uint8
    np.testing.assert_array_equal(result, views(policy, pictures, seeds))
    assert np.all(np.any(result[:, 0] != result[:, 1], axis=(1, 2, 3)))  # the views differ
    assert np.any(result != views(policy, pictures, seeds[4:]))


def test_batch_and_position_do_not_matter(pictures, seeds):
    policy = ImageViews(compiled=False, size=SIZE)
    result = views(policy, pictures, seeds)
    turned = views(policy, pictures[::-1], seeds[:4][::-1])[::-1]
    np.testing.assert_array_equal(result, turned)
    np.testing.assert_array_equal(result[2:3], views(policy, pictures[2:3], seeds[2:3]))


def test_a_view_does_not_depend_on_the_views_after_it(pictures, seeds):
    light = View(scale=(0.5, 1.0), jitter_probability=0.0)
    one, three = (
        views(ImageViews(compiled=False, size=SIZE, views=v), pictures, seeds)
        for v in ([light], [light, View(), View()])
    )
    np.testing.assert_array_equal(one[:, 0], three[:, 0])


def test_compiled_is_plain_is_tf_data(pictures, seeds):
    compiled, plain = ImageViews(size=SIZE), ImageViews(size=SIZE, compiled=False)
    expected = views(plain, pictures, seeds)
    dataset = tf.data.Dataset.from_tensor_slices({"image": pictures, "seed": seeds[:4]})
    dataset = dataset.map(lambda e: (compiled.crop(e["image"], e["seed"]), e["seed"]))
    batches = dataset.batch(4).repeat(3).map(compiled.color, num_parallel_calls=2)
    in_graph, *again = [batch.numpy() for batch in batches]
    np.testing.assert_array_equal(again, [in_graph, in_graph])
    # A sum in another order may fall on the other side of a half.
    difference = np.abs(in_graph.astype(int) - expected)
    assert difference.max() <= 1 and difference.mean() < 0.01


def test_a_view_without_operations_is_the_picture(seeds):
    picture = np.random.default_rng(3).integers(0, 256, [SIZE, SIZE, 3], np.uint8)
    result = views(ImageViews(size=SIZE, views=[PLAIN], compiled=False), [png(picture)], seeds)
    np.testing.assert_array_equal(result[0, 0], picture)


def test_light_views_need_no_colour(noise, seeds):
    np.testing.assert_array_equal(
        flat(PLAIN, noise, seeds), np.tile(noise.transpose(2, 0, 1), [len(seeds), 1, 1, 1])
    )


def with_only(**probability: float) -> View:
    fields = {name: getattr(PLAIN, name) for name in PLAIN.__dataclass_fields__}
    return View(**{**fields, **probability})


def close(share: float, probability: float, count: int) -> bool:
    """Within four standard deviations of a share of `count`."""
    return abs(share - probability) < 4 * np.sqrt(probability * (1 - probability) / count)


def test_share_of_flips(noise, seeds):
    picture = noise.transpose(2, 0, 1).astype(float)
    result = flat(with_only(flip_probability=0.5), noise, seeds)
    flipped = np.all(result == picture[:, ::-1], axis=(1, 2, 3))
    assert np.all(flipped | np.all(result == picture, axis=(1, 2, 3)))
    assert close(flipped.mean(), 0.5, len(seeds))


def test_share_of_grey(noise, seeds):
    result = flat(with_only(grayscale_probability=0.2), noise, seeds)
    grey = np.all(result == result[..., :1], axis=(1, 2, 3))
    assert close(grey.mean(), 0.2, len(seeds))
    luma = np.round(noise.transpose(2, 0, 1) @ [0.299, 0.587, 0.114])
    assert np.abs(result[grey] - luma[..., None]).max() <= 1


def test_share_and_strength_of_blur(noise, seeds):
    picture = noise.transpose(2, 0, 1).astype(float)
    # Sigmas below about 0.3 leave the rounded picture as it is.
    result = flat(with_only(blur_probability=0.5, blur_sigma=(0.5, 2.0)), noise, seeds)
    blurred = np.any(result != picture, axis=(1, 2, 3))
    assert close(blurred.mean(), 0.5, len(seeds))
    rest = result[blurred].std(axis=(1, 2, 3)) / picture.std()
    assert 0.1 < rest.min() < 0.3 and 0.6 < rest.max() < 0.95  # sigma 2 and sigma 0.5


def test_share_and_range_of_jitter(noise, seeds):
    jitter = (0.4, 0.0, 0.0, 0.0)  # brightness only: the factor can be read off
    result = flat(with_only(jitter_probability=0.8, jitter=jitter), noise, seeds)
    factors = result.mean(axis=(1, 2, 3)) / noise.mean()
    changed = np.any(result != noise.transpose(2, 0, 1), axis=(1, 2, 3))
    assert close(changed.mean(), 0.8, len(seeds))
    assert 0.595 < factors.min() < 0.63 and 1.37 < factors.max() < 1.405
    np.testing.assert_allclose(
        np.quantile(factors[changed], [0.25, 0.5, 0.75]), [0.8, 1, 1.2], atol=0.06
    )


def test_hue_turns_both_ways(seeds):
    red = np.zeros([SIZE, 3, SIZE], np.uint8)
    red[:, 0] = 200
    policy = with_only(jitter_probability=1.0, jitter=(0.0, 0.0, 0.0, 0.1))
    result = flat(policy, red, seeds)[:, 0, 0]
    np.testing.assert_array_equal(result.max(axis=1), 200)
    turns = (result[:, 1] - result[:, 2]) / 200 / 6  # green is gained one way, blue the other
    assert -0.101 < turns.min() < -0.095 and 0.095 < turns.max() < 0.101
    assert abs(turns.mean()) < 0.012


def test_choices_are_independent(noise, seeds):
    policy = with_only(flip_probability=0.5, grayscale_probability=0.5)
    result = flat(policy, noise, seeds)
    grey = np.all(result == result[..., :1], axis=(1, 2, 3))
    plain = flat(with_only(grayscale_probability=0.5), noise, seeds)
    flipped = np.any(result != plain, axis=(1, 2, 3))
    assert abs(np.corrcoef(grey, flipped)[0, 1]) < 0.2


def test_policies_can_be_pickled(pictures, seeds):
    policy = ImageViews(size=SIZE, compiled=False)
    expected = views(policy, pictures, seeds)
    copy = pickle.loads(pickle.dumps(policy))
    np.testing.assert_array_equal(views(copy, pictures, seeds), expected)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scale", (0.0, 1.0)),
        ("scale", (0.5, 0.2)),
        ("ratio", (2.0, 1.0)),
        ("jitter", (0.4, 0.4, 0.4)),
        ("blur_sigma", (0.0, 2.0)),
        ("flip_probability", 1.5),
    ],
)
def test_unsound_policies_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        View(**{field: value})


def test_a_size_below_the_kernel_is_refused():
    with pytest.raises(ValueError, match="size 6 is too small for blur_sigma"):
        ImageViews(size=6)


def test_evaluation_view_is_resize_and_centre_crop(pictures):
    result = evaluation_view(tf.constant(pictures[0]), SIZE).numpy()
    assert result.shape == (SIZE, SIZE, 3)
    whole = Image.open(io.BytesIO(pictures[0])).resize((27, 18), Image.Resampling.BILINEAR)
    expected = np.asarray(whole)[1:17, 6:22].astype(int)  # round(5.5) is 6
    assert np.abs(result - expected).max() <= 1


def test_evaluation_view_survives_a_saved_model(pictures, tmp_path):
    module = tf.Module()
    module.view = tf.function(
        lambda encoded: evaluation_view(encoded, SIZE),
        input_signature=[tf.TensorSpec([], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    expected = evaluation_view(tf.constant(pictures[1]), SIZE)
    np.testing.assert_array_equal(loaded.view(tf.constant(pictures[1])), expected)
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.view(tf.constant(b"no picture"))
