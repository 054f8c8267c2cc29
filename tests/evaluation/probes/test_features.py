"""Features of a split: in order, with what cannot be used left out or refused."""

import numpy as np
import pytest

from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.evaluation.probes.features import check_apart, class_count, frozen
from tests.evaluation.probes.samples import BAD, NAMES, Vectors, dataset, features
from tests.evaluation.retrieval.samples import Pairs

ROWS = [([i, i / 2, -i], i % 7) for i in range(10)]


@pytest.mark.parametrize("batch_size", [1, 3, 128])
def test_gives_vectors_labels_and_places_in_order_without_what_cannot_be_decoded(batch_size):
    rows = [(BAD, 3), *ROWS[:4], (BAD, 0), (BAD, 1), *ROWS[4:]]
    found = frozen(Vectors(), dataset(test=rows), "test", batch_size=batch_size)
    np.testing.assert_array_equal(found.values, np.array([v for v, _ in ROWS], np.float32))
    assert found.values.dtype == np.float32
    assert found.labels.tolist() == [label for _, label in ROWS]
    assert found.places.tolist() == [1, 2, 3, 4, 7, 8, 9, 10, 11, 12]
    assert found.corrupt == 3


def test_reads_at_most_so_many_at_equal_distances_and_tells_how_far_it_is():
    told = []
    found = frozen(
        Vectors(),
        dataset(test=ROWS),
        "test",
        batch_size=2,
        at_most=5,
        told=lambda *state: told.append(state),
    )
    assert found.places.tolist() == [0, 2, 4, 6, 8]
    assert found.values[:, 0].tolist() == [0, 2, 4, 6, 8]
    assert told == [("features of test", done, 5) for done in (2, 4, 5)]
    with pytest.raises(ValueError, match="give 1 or more"):
        frozen(Vectors(), dataset(test=ROWS), "test", at_most=0)


@pytest.mark.parametrize("label", [-1, 7])
def test_a_label_that_names_no_class_is_an_error_that_says_where_it_is(label):
    data = dataset(test=[*ROWS, ([1, 2, 3], label)])
    message = f"Split test of data set tiny holds the label {label} at picture 10, but classes "
    with pytest.raises(DatasetError, match=f"{message}are 0 to 6"):
        frozen(Vectors(), data, "test", batch_size=4)


def test_without_class_names_every_label_from_0_on_is_a_class():
    data = dataset(classes=(), train=ROWS, test=[([1, 2, 3], 11)])
    train, test = (frozen(Vectors(), data, split) for split in ("train", "test"))
    assert class_count(data, train, test) == 12
    assert class_count(dataset(train=ROWS), train) == len(NAMES)
    with pytest.raises(DatasetError, match="label -1 at picture 0, but -1 is none"):
        frozen(Vectors(), dataset(classes=(), test=[([1, 2, 3], -1)]), "test")


def test_a_record_that_cannot_be_read_is_corrupt_and_needs_no_label():
    good = Pair("k", np.ones(3, np.float32).tobytes(), ("text",), 2)
    pairs = Pairs([Pair("k", problem="no picture"), good])
    found = frozen(Vectors(), Dataset("tiny", {"test": pairs}, NAMES), "test")
    assert (found.corrupt, found.labels.tolist(), found.places.tolist()) == (1, [2], [1])


def test_a_split_without_a_picture_and_one_that_cannot_be_read_are_errors():
    with pytest.raises(DatasetError, match=r"Split test of data set tiny has no picture .*2 tried"):
        frozen(Vectors(), dataset(test=[(BAD, 0), (BAD, 1)]), "test")
    data = dataset(test=ROWS)

    def fail(part, first, count):
        raise DatasetError("shard 7 is gone")

    data.split("test").read = fail
    with pytest.raises(DatasetError, match="tiny cannot be read: shard 7 is gone"):
        frozen(Vectors(), data, "test")


def test_two_names_of_the_same_pictures_are_an_error():
    whole = Dataset("tiny", {"all": Pairs([])}, NAMES)
    with pytest.raises(DatasetError, match="train and test of data set tiny are the same pictures"):
        check_apart(whole, "train", "test")
    with pytest.raises(DatasetError, match="no split 'val'"):
        check_apart(dataset(train=ROWS), "train", "val")
    check_apart(dataset(train=ROWS, test=ROWS), "train", "test")


def test_samples_are_what_frozen_makes():
    mine, found = features(ROWS), frozen(Vectors(), dataset(test=ROWS), "test")
    for name in ("values", "labels", "places"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(found, name))
