"""Statistics of captions, against NumPy, and merged from parts."""

import pickle
from collections import Counter

import numpy as np
import pytest

from clipbench_tf.data.statistics.caption_statistics import CaptionStatistics
from clipbench_tf.data.text import english

VOCABULARY = ["dog", "cat", "Sleeping", "hund", "x1y", "2012", "-", "\u732b", "the"]
ENGLISH, FOREIGN = {"dog", "cat", "sleeping", "the"}, {"hund", "x1y", "\u732b"}


def pairs(count: int, seed: int = 0) -> list[list[str]]:
    """Random pairs of one to three captions, some of them empty."""
    random = np.random.default_rng(seed)
    return [
        [
            " ".join(random.choice(VOCABULARY, random.poisson(6)))
            for _ in range(random.integers(1, 4))
        ]
        for _ in range(count)
    ]


def counted(some: list[list[str]]) -> CaptionStatistics:
    statistics = CaptionStatistics()
    for captions in some:
        statistics.add(*captions)
    return statistics


def test_the_numbers_are_those_of_numpy() -> None:
    some = pairs(300)
    captions = [
        [word for word in caption.lower().split() if word != "-"]
        for pair in some
        for caption in pair
    ]
    lengths = np.array([len(words) for words in captions])
    known = np.array([sum(word in ENGLISH for word in words) for words in captions])
    spelt = known + [sum(word in FOREIGN for word in words) for words in captions]
    result = counted(some).result(frequent=4)
    assert result.examples == 300
    assert result.captions == len(captions)
    assert result.words == lengths.sum()
    np.testing.assert_allclose(result.mean_length, lengths.mean(), rtol=1e-14)
    np.testing.assert_allclose(result.std_length, lengths.std(), rtol=1e-13)
    ratios = known / np.maximum(spelt, 1)
    np.testing.assert_allclose(result.english_ratio, ratios.mean(), rtol=1e-13)
    np.testing.assert_allclose(result.english_ratio_of_words, known.sum() / spelt.sum(), rtol=1e-14)
    words = Counter(word for caption in captions for word in caption)
    assert result.unique_words == len(words) == 8
    assert result.frequent == sorted(words.items(), key=lambda item: (-item[1], item[0]))[:4]
    assert list(result.lengths.items()) == sorted(Counter(lengths.tolist()).items())


def test_parts_merged_in_any_order_give_the_same_numbers_to_the_last_bit() -> None:
    some = pairs(500, seed=1)
    whole = counted(some).result()
    random = np.random.default_rng(2)
    for _ in range(5):
        cuts = sorted(random.choice(500, 6))
        parts = [
            pickle.loads(pickle.dumps(counted(some[low:high])))  # as a part of Beam travels
            for low, high in zip([0, *cuts], [*cuts, 500], strict=True)
        ]
        merged = CaptionStatistics()
        for number in random.permutation(len(parts)):
            merged.merge(parts[number])
        assert merged.result() == whole


def test_a_merged_part_stays_as_it_was() -> None:
    one, other = counted([["a dog"]]), counted([["a cat"]])
    one.merge(other)
    one.add("a dog")
    assert other.result() == counted([["a cat"]]).result()
    assert one.result() == counted([["a dog"], ["a cat"], ["a dog"]]).result()


def test_lengths_far_apart_lose_no_digits() -> None:
    """A sum of squares in floating point would leave nothing of the small differences."""
    statistics = counted([["word " * 100_000]] + [["word " * 100_001]] * 3)
    assert statistics.result().std_length == np.sqrt(3) / 4
    assert statistics.result().mean_length == 100_000.75


def test_without_captions_all_is_zero() -> None:
    result = CaptionStatistics().result()
    assert (result.examples, result.captions, result.mean_length, result.std_length) == (0, 0, 0, 0)
    assert (result.english_ratio, result.unique_words, result.frequent) == (0, 0, [])
    result = counted([[], ["", "- \U0001f600"]]).result()
    assert (result.examples, result.captions, result.words, result.english_ratio) == (2, 2, 0, 0)
    assert result.lengths == {0: 2}


@pytest.mark.parametrize("word", sorted(ENGLISH | FOREIGN))
def test_the_vocabulary_of_these_tests_is_what_it_claims(word: str) -> None:
    assert english.is_english(word) == (word in ENGLISH)
