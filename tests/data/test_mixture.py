"""Mixtures: each source as often as its weight says, pairs shuffled across them."""

from collections import Counter

import pytest

from clipbench_tf.data import sources
from clipbench_tf.data.mixture import MixtureReader
from clipbench_tf.data.readers.dataset import DatasetError
from tests.data.numbered import numbers, shards, stream


@pytest.fixture
def two(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    return {"a": shards(tmp_path / "a", 20, 13), "b": shards(tmp_path / "b", 7)}


def test_an_epoch_reads_each_source_by_its_weight(two):
    mixture = MixtureReader(two, {"a": 1, "b": 3})
    assert mixture.examples == 33 + 3 * 7 == sum(mixture.counts)
    assert mixture.names == ["a/0.tfrecord", "a/1.tfrecord", *["b/0.tfrecord"] * 3]
    for epoch in range(2):
        read = numbers(stream(mixture, 54, start=54 * epoch))
        once = Counter(range(7, 33))
        assert Counter(read) == once + Counter(dict.fromkeys(range(7), 4))


def test_sources_are_mixed_and_not_read_one_after_the_other(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    two = {"a": shards(tmp_path / "a", 300), "b": shards(tmp_path / "b", 300)}
    mixture = MixtureReader(two, {"a": 1, "b": 1})
    seen = Counter(numbers(stream(mixture, 300, buffer=64)))
    both = sum(count == 2 for count in seen.values())
    assert 20 < both < 140  # expected: 300 / 4


@pytest.mark.parametrize("weight", [0, -1, 0.5, "2", True])
def test_a_weight_that_is_no_count_is_refused(two, weight):
    with pytest.raises(DatasetError, match="The weight of 'b' is"):
        MixtureReader(two, {"a": 1, "b": weight})


def test_a_mixture_is_loaded_by_its_sources():
    mixed = sources.load({"emoji": 2, "synthetic:9": 1})
    assert (mixed.name, mixed.source) == ("emoji+synthetic:9", "{'emoji': 2, 'synthetic:9': 1}")
    assert mixed.split("train").examples == 2 * sources.load("emoji").split("train").examples + 9
    with pytest.raises(DatasetError, match="at least one source"):
        sources.load({})
