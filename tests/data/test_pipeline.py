"""Batches: the same from the same seed, from any start, in shape, and without the corrupt."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.corrupt import CorruptDataError
from clipbench_tf.data.sources import DatasetError
from clipbench_tf.data.text import caption_ops
from clipbench_tf.data.text.tokenizer import Tokenizer
from tests.data.pairs import (
    LENGTH,
    NUMBERS,
    PLAIN,
    SIZE,
    VARIED,
    assert_equal,
    pipeline,
    take,
    upper,
    write,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(context_length=LENGTH)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp("data"), 20)


RANDOM = {
    "views": (VARIED, VARIED),
    "caption_views": [caption_ops.plain, caption_ops.eda],
    "mask_probability": 0.3,
}


@pytest.fixture(scope="module")
def varied(dataset, tokenizer):
    """Two epochs of everything random."""
    return take(pipeline(dataset, tokenizer, **RANDOM), 10)


TWO_TEXTS = {"caption_views": [caption_ops.plain, upper]}


@pytest.fixture(scope="module")
def two_texts(dataset, tokenizer):
    """An epoch of plain pictures and texts."""
    return take(pipeline(dataset, tokenizer, **TWO_TEXTS), 5)


@pytest.fixture(scope="module")
def plain(two_texts):
    return two_texts[0]


@pytest.fixture(scope="module")
def masked(dataset, tokenizer):
    return take(pipeline(dataset, tokenizer, mask_probability=0.5, **TWO_TEXTS), 1)[0]


def test_another_seed_gives_other_batches_of_the_same_positions(varied, dataset, tokenizer):
    others = take(pipeline(dataset, tokenizer, seed=4, **RANDOM), 3)
    for batch, other in zip(varied[:3], others, strict=True):
        np.testing.assert_array_equal(batch["position"], other["position"])
        for name in ("images", "ids", "mlm_labels"):
            assert (batch[name] != other[name]).any()


def test_a_picture_looks_different_in_the_next_epoch(varied):
    epochs = [np.concatenate([b["images"] for b in part]) for part in (varied[:5], varied[5:])]
    assert len({image.tobytes() for epoch in epochs for image in epoch[:, 0]}) > 30
    # Both views of a pair are drawn apart.
    assert all((images[0] != images[1]).any() for images in epochs[0])


@pytest.mark.parametrize(
    "start",
    [pytest.param(0, marks=pytest.mark.slow), 4, pytest.param(20, marks=pytest.mark.slow), 28],
)
def test_batches_from_a_position_are_the_rest_of_the_stream(start, varied, dataset, tokenizer):
    tf.random.set_seed(99)  # the pipeline's own seed alone counts
    made = pipeline(dataset, tokenizer, **RANDOM)
    assert_equal(take(made, 3, start=start), varied[start // 4 :][:3])


@pytest.fixture(scope="module")
def with_defects(tmp_path_factory, tokenizer):
    """A pipeline that skips three of 20 records in each epoch, and its first batches."""
    path = write(tmp_path_factory.mktemp("data"), 20, corrupt=(3, 8), mute=(15,))
    made = pipeline(path, tokenizer, max_corrupt_fraction=0.5)
    return made, take(made, 8)


@pytest.mark.parametrize("done", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_going_on_behind_skipped_records_repeats_and_loses_none(done, with_defects):
    made, whole = with_defects
    position = int(whole[done - 1]["position"].max()) + 1
    assert_equal(take(made, 8 - done, start=position), whole[done:])


def test_records_that_are_no_pairs_are_skipped_counted_and_made_up_for(with_defects):
    made, batches = with_defects[0], with_defects[1][:4]
    numbers = [int(n) for batch in batches for n in batch["images"][:, 0, 0, 0, 0]]
    assert len(numbers) == len(set(numbers)) == 16
    assert not {3, 8, 15} & set(numbers)
    assert set(made.corrupt.keys) == {"key/3", "key/8", "key/15"}
    positions = np.concatenate([batch["position"] for batch in batches])
    assert (np.diff(positions) > 0).all()


def test_pairs_stay_together_and_each_comes_once_an_epoch(two_texts, dataset, tokenizer):
    assert pipeline(dataset, tokenizer).steps_per_epoch == len(two_texts) == 5.0
    seen, picked = [], set()
    for batch in two_texts:
        for image, ids in zip(batch["images"], batch["ids"], strict=True):
            number = int(image[0, 0, 0, 0])
            plain, second = tokenizer.decode(ids)
            words = " ".join(f"number {NUMBERS[int(digit)]}" for digit in f"{number:03d}")
            assert plain in {f"{words} , caption one", f"{words} , caption two"}
            assert second == f"view two of {plain}"
            seen.append(number)
            picked.add(plain.split()[-1])
    assert sorted(seen) == list(range(20))
    assert picked == {"one", "two"}


@pytest.mark.parametrize(
    ("views", "texts", "size"),
    [(1, 1, 6), (3, 2, 20)],  # 20: the whole split is a batch
)
def test_shapes_and_types(views, texts, size, dataset, tokenizer):
    made = pipeline(
        dataset,
        tokenizer,
        views=(PLAIN,) * views,
        caption_views=[caption_ops.plain] * texts,
        batch_size=size,
    )
    data = made.batches()
    batch, following = data.take(2).as_numpy_iterator()
    assert {name: (value.shape, value.dtype) for name, value in batch.items()} == {
        "images": ((size, views, SIZE, SIZE, 3), np.uint8),
        "ids": ((size, texts, LENGTH), np.int32),
        "position": ((size,), np.int64),
    }
    np.testing.assert_array_equal(batch["position"], range(size))
    np.testing.assert_array_equal(following["position"], range(size, 2 * size))
    spec = data.element_spec
    assert spec["images"].shape == [size, views, SIZE, SIZE, 3]
    assert spec["ids"].shape.as_list() == [size, texts, None]  # as long as the longest


MASKED = {"views": (PLAIN, PLAIN), "mask_probability": 0.3}


@pytest.mark.parametrize("arguments", [{}, MASKED, MASKED | {"separate_masked_view": True}])
def test_the_example_is_shaped_as_two_pairs_of_a_batch(arguments, dataset, tokenizer):
    made = pipeline(dataset, tokenizer, **arguments)
    example, spec = made.example(), made.batches(batch_size=2).element_spec
    assert example.keys() == spec.keys()
    for name, value in example.items():
        assert spec[name].is_compatible_with(value), name
        assert not value.numpy().any()


def test_an_operation_that_makes_two_views_makes_different_ones(varied, dataset, tokenizer):
    both = [caption_ops.eda, caption_ops.eda]
    twice = take(pipeline(dataset, tokenizer, caption_views=both), 5)
    same = []
    for batch, once in zip(twice, varied[:5], strict=True):  # whose view 1 is of that operation
        length = min(batch["ids"].shape[2], once["ids"].shape[2])
        np.testing.assert_array_equal(batch["ids"][:, 0, :length], once["ids"][:, 1, :length])
        same += (batch["ids"][:, 0] == batch["ids"][:, 1]).all(axis=1).tolist()
    assert np.mean(same) < 0.5


def test_view_0_is_masked_and_the_labels_restore_it(plain, masked, tokenizer):
    assert "mlm_labels" not in plain
    labels = masked["mlm_labels"]
    assert labels.shape == (4, LENGTH) and labels.dtype == np.int32
    assert 4 < (labels != -100).sum() < 40
    restored = np.where(labels != -100, labels, masked["ids"][:, 0])
    np.testing.assert_array_equal(restored, plain["ids"][:, 0])
    assert (masked["ids"][:, 0] == tokenizer.vocabulary.mask).any()
    np.testing.assert_array_equal(masked["ids"][:, 1], plain["ids"][:, 1])
    np.testing.assert_array_equal(masked["images"], plain["images"])


def test_a_separate_masked_view_is_last_and_leaves_view_0(plain, masked, dataset, tokenizer):
    made = pipeline(
        dataset, tokenizer, mask_probability=0.5, separate_masked_view=True, **TWO_TEXTS
    )
    (apart,) = take(made, 1)
    assert apart["ids"].shape == (4, 3, LENGTH)
    np.testing.assert_array_equal(apart["ids"][:, :2], plain["ids"])
    np.testing.assert_array_equal(apart["ids"][:, 2], masked["ids"][:, 0])
    np.testing.assert_array_equal(apart["mlm_labels"], masked["mlm_labels"])


def test_too_many_corrupt_records_end_it(tmp_path, tokenizer):
    path = write(tmp_path, 20, corrupt=(5, 11))
    made = pipeline(path, tokenizer, max_corrupt_fraction=0.05)
    with pytest.raises(tf.errors.OpError):
        take(made, 200)
    assert isinstance(made.corrupt.error, CorruptDataError)
    assert "split 'train' of" in str(made.corrupt.error)
    assert "max_fraction = 0.05" in str(made.corrupt.error)


def test_the_error_of_a_reader_is_kept(tmp_path, tokenizer):
    path = write(tmp_path, 20)
    made = pipeline(path, tokenizer)
    (tmp_path / "train.tfrecord").unlink()
    with pytest.raises(tf.errors.OpError):
        take(made, 1)
    assert isinstance(made.corrupt.error, DatasetError)
    assert "Reading split 'train' of" in str(made.corrupt.error)
    assert "train.tfrecord" in str(made.corrupt.error)


def test_the_share_of_corrupt_records_is_that_of_one_pass(tmp_path, tokenizer):
    """A training run makes several passes: before the first step, and after each stop."""
    path = write(tmp_path, 100, corrupt=(50,))
    made = pipeline(path, tokenizer, batch_size=50, max_corrupt_fraction=0.025)
    data = made.batches().take(3)
    for _ in range(3):
        assert len(list(data)) == 3
    assert made.corrupt.error is None
    assert made.corrupt.keys["key/50"] >= 3


def test_refuses_what_cannot_make_a_batch(dataset, tokenizer):
    with pytest.raises(DatasetError, match="has 20 pairs, fewer than batch_size 21; bind a small"):
        pipeline(dataset, tokenizer, batch_size=21)
    with pytest.raises(DatasetError, match="no split 'test'; it has train"):
        pipeline(dataset, tokenizer, split="test")
    with pytest.raises(DatasetError, match="'nowhere' is no folder"):
        pipeline("nowhere", tokenizer)


def test_captions_are_cut_behind_the_longest_of_the_batch(dataset):
    long = Tokenizer(context_length=40)
    options = {"mask_probability": 0.3, **TWO_TEXTS}
    (short,) = take(pipeline(dataset, long, **options), 1)
    (whole,) = take(pipeline(dataset, long, trim_captions=False, **options), 1)
    length = short["ids"].shape[-1]
    assert whole["ids"].shape == (4, 2, 40)
    assert length % 8 == 0 and length < 40
    assert not whole["ids"][..., length:].any()
    assert (whole["mlm_labels"][:, length:] == -100).all()
    for name in ("ids", "mlm_labels"):
        np.testing.assert_array_equal(short[name], whole[name][..., :length])
