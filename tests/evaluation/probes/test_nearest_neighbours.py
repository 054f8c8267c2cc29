"""The nearest-neighbour probe against votes counted one by one, and against scikit-learn."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.evaluation.probes import nearest_neighbours
from clipbench_tf.evaluation.probes.nearest_neighbours import NearestNeighbours
from tests.evaluation.probes.samples import BAD, NAMES, Vectors, blobs, dataset, features


def probe(train, test, classes=NAMES, **settings):
    return NearestNeighbours(Vectors(), dataset(classes, train=train, test=test), **settings)


def votes_by_hand(train, vector, k, temperature):
    """The votes [7] for one picture; pictures tied for the last places share these."""

    def cosine(a, b):
        a, b = np.asarray(a, float), np.asarray(b, float)
        return a @ b / ((np.linalg.norm(a) or 1) * (np.linalg.norm(b) or 1))

    near = sorted(((cosine(v, vector), label) for v, label in train), reverse=True)
    last = near[min(k, len(near)) - 1][0]
    above = [one for one in near if one[0] > last + 1e-6]
    tied = [one for one in near if abs(one[0] - last) <= 1e-6]
    votes = np.zeros(7)
    for value, label in above:
        votes[label] += np.exp(value / temperature)
    for _, label in tied:
        votes[label] += (min(k, len(near)) - len(above)) / len(tied) * np.exp(last / temperature)
    return votes


def lattice(rng, count):
    """Vectors of -1, 0 and 1, many of which are equal, parallel or 0."""
    return [(rng.integers(-1, 2, size=3), label) for label in rng.integers(0, 7, size=count)]


@pytest.mark.parametrize("rows", [4, 4 * 300, 2**26], ids=["one", "some", "all"])
@pytest.mark.parametrize("make", [blobs, lattice])
@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 1.0), (500, 0.2)])
def test_equals_votes_counted_one_by_one(rows, make, k, temperature, monkeypatch):
    monkeypatch.setattr(nearest_neighbours, "ROWS", rows)
    rng = np.random.default_rng(0)
    train, test = make(rng, 90), make(rng, 60)
    found = probe(train, test, neighbours=k, temperature=temperature).results()
    top1, top5 = [], []
    for vector, label in test:
        votes = votes_by_hand(train, vector, k, temperature)
        equal = np.isclose(votes, votes[label], rtol=3e-5)
        higher = np.sum((votes > votes[label]) & ~equal)
        top1.append(np.clip((1 - higher) / equal.sum(), 0, 1))
        top5.append(np.clip((5 - higher) / equal.sum(), 0, 1))
    np.testing.assert_allclose(found.result.credits[1], top1, atol=1e-9)
    np.testing.assert_allclose(found.result.credits[5], top5, atol=1e-9)
    assert 0.1 < found.result.top(1) < 0.9
    assert found.neighbours == min(k, 90)


def test_equals_scikit_learns_weighted_neighbours():
    rng = np.random.default_rng(1)
    train, test = features(blobs(rng, 200)), features(blobs(rng, 100))
    model = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07)
    )
    model.fit(train.values.astype(float), train.labels)
    found = probe(blobs(rng, 2), blobs(rng, 2)).of(train, test).result
    np.testing.assert_array_equal(found.predictions, model.predict(test.values.astype(float)))
    np.testing.assert_allclose(found.credits[1], found.predictions == test.labels)


def test_ties_for_the_last_places_share_them_in_any_order():
    near, tied = ([1, 0], 0), [([1, 1], label) for label in (1, 1, 1, 2)]
    for train in ([near, *tied], [*tied, near]):
        votes = []
        made = probe(train, [([1, 0], 0)], neighbours=3, temperature=0.5)
        scored = nearest_neighbours.scored

        def spy(pictures, split, scores, **others):
            votes.append(scores(pictures.values))  # noqa: B023
            return scored(pictures, split, scores, **others)  # noqa: B023

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nearest_neighbours, "scored", spy)
            made.results()
        other = np.exp((np.sqrt(0.5) - 1) / 0.5) * 2 / 4  # two places for four pictures
        np.testing.assert_allclose(votes[0][0, :3], [1, 3 * other, other], rtol=1e-5)
        assert np.all(votes[0][0, 3:] == -np.inf)


def test_equal_pictures_of_two_classes_are_right_half_the_time():
    train = [([1, 2], 0), ([1, 2], 1), ([-1, 0], 2)]
    found = probe(train, [([1, 2], 0), ([2, 4], 1), ([-3, 0], 2)], neighbours=1).results()
    assert found.result.credits[1].tolist() == [0.5, 0.5, 1]


def test_features_that_are_all_alike_give_the_class_with_most_pictures():
    train = [([1, 2], label) for label in (0, 1, 1, 1, 2)]
    found = probe(train, [([1, 2], label) for label in range(4)], neighbours=2).results()
    assert found.result.credits[1].tolist() == [0, 1, 0, 0]


def test_a_class_without_training_pictures_is_never_found():
    train = [([1, 0], 0), ([0, 1], 3)]
    found = probe(train, [([1, 0], 0), ([1, 0], 5), ([0, 1], 6)]).results()
    assert found.result.credits[1].tolist() == [1, 0, 0]
    assert found.result.credits[5].tolist() == [1, 0, 0]
    assert (found.train_classes, found.train_pictures, found.neighbours) == (2, 2, 2)


def test_one_class_is_found_always():
    found = probe([([1, 0], 0)] * 3, [([0, 1], 0)], classes=("ant",)).results()
    assert found.result.top(1) == 1 and list(found.result.credits) == [1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("error")
def test_features_that_are_not_finite_neither_vote_nor_find(bad):
    train = [([1, 0], 0), ([bad, 1], 1), ([bad, bad], 2), ([0, 1], 3)]
    test = [([1, 0], 0), ([1, bad], 0), ([0, 1], 3), ([0, 1], 1)]
    found = probe(train, test, neighbours=3).results()
    assert found.result.credits[1].tolist() == [1, 0, 1, 0]
    nothing = probe([([bad, 1], 0), ([bad, 1], 1)], [([1, 0], 0)]).results()
    assert nothing.result.credits[1].tolist() == [0.5]  # nobody votes


def test_lengths_do_not_matter():
    rng = np.random.default_rng(2)
    train, test = blobs(rng, 60), blobs(rng, 40)
    longer = [(v * rng.uniform(0.1, 9), label) for v, label in train]
    first, second = probe(train, test).results(), probe(longer, test).results()
    np.testing.assert_array_equal(first.result.credits[1], second.result.credits[1])


def test_yields_names_and_values_and_says_the_same_in_a_record_and_a_line():
    rng = np.random.default_rng(3)
    train, test = [*blobs(rng, 60), (BAD, 0)], [(BAD, 0), *blobs(rng, 40)]
    made = probe(train, test, train_at_most=31, at_most=21)
    values, found = dict(made.run()), made.results()
    assert list(values) == ["nearest_neighbours/test/top1", "nearest_neighbours/test/top5"]
    assert values == dict(made.run())
    record = json.loads(json.dumps(found.record()))
    assert record["top1"] == values["nearest_neighbours/test/top1"]
    assert record["probe"] == "nearest neighbours" and record["features"] == "pooled"
    assert (record["scored"], record["corrupt"], record["train_pictures"]) == (20, 1, 31)
    assert (record["neighbours"], record["temperature"], record["split"]) == (20, 0.07, "test")
    assert found.line().startswith("20 nearest neighbours, test: top-1 ")
    assert found.line().endswith("sought among 31 pictures of 7 classes of train")
    whole = probe(train, test).results()
    assert whole.line().endswith("60 pictures of 7 classes of train, 1 corrupt left out")


def test_memory_is_bounded_whatever_the_number_of_pictures(monkeypatch):
    monkeypatch.setattr(nearest_neighbours, "ROWS", 2**20)
    rng = np.random.default_rng(4)
    made, some = probe(blobs(rng, 2), blobs(rng, 2)), features(blobs(rng, 10_000))
    tracemalloc.start()
    made.of(some, some)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 2**20  # all similarities at once are 400 MB


def test_refuses_what_cannot_vote():
    rows = [([1, 0], 0)]
    with pytest.raises(ValueError, match="0 neighbours at temperature"):
        probe(rows, rows, neighbours=0)
    with pytest.raises(ValueError, match="temperature 0"):
        probe(rows, rows, temperature=0)
    with pytest.raises(DatasetError, match="test and test of data set tiny are the same pictures"):
        probe(rows, rows, train_split="test")
    with pytest.raises(DatasetError, match="Split train of data set tiny holds the label 9"):
        probe([([1, 0], 9)], rows).results()


def test_neither_training_nor_this_probe_needs_scikit_learn():
    program = (
        "import sys; sys.modules.update(sklearn=None, scipy=None);"
        "import clipbench_tf.commands.train, clipbench_tf.api;"
        "import clipbench_tf.evaluation.probes.nearest_neighbours;"
        "import clipbench_tf.evaluation.comparison.paired"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
