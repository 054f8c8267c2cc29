"""The statistics of captions of Table 2, exact and in one pass, in parts that can be merged."""

import dataclasses
import heapq
import math
from collections import Counter

from clipbench_tf.data.text import english


@dataclasses.dataclass(frozen=True)
class CaptionSummary:
    """The statistics of a data set. All are 0 or empty where there are no captions.

    Section 4.2 does not say how it counts, so the units are ours. Lengths are in words
    (`english.words`: runs between whitespace, punctuation alone is none). Tokens of CLIP's
    tokenizer cannot be meant: its vocabulary of 49,408 is less than the table's 770,996 and
    8,262,556 unique tokens, and no caption has over 77 of them, which rules out deviations of 29.2
    and 69.6. Characters cannot be either: at 26.1 of them, V1 would have 4 words a caption, and
    every seventh word of its 14.7 million captions would be a new one. Whether punctuation is a
    word of its own, and which dictionary is used, stays open, and shifts every number a little.

    Attributes:
        examples: pairs.
        captions: of all pairs; a pair may have several. What follows is over captions.
        mean_length: words of a caption.
        std_length: their standard deviation, of the whole population (divided by `captions`).
        english_ratio: the mean over captions of the share of English words among a caption's words,
            numbers in digits left out; 0 for a caption without words.
        english_ratio_of_words: that share among all words of all captions, which gives a long
            caption more weight.
        unique_words: distinct words, in lower case.
        words: words in all.
        lengths: captions by number of words.
        frequent: the most frequent words, with their numbers of occurrences.
    """

    examples: int
    captions: int
    mean_length: float
    std_length: float
    english_ratio: float
    english_ratio_of_words: float
    unique_words: int
    words: int
    lengths: dict[int, int]
    frequent: list[tuple[str, int]]


class CaptionStatistics:
    """Counts captions. Parts counted apart and merged, in any order, give the same numbers.

    All counts are integers, so that nothing is rounded before `result`. The distinct words are kept
    in memory with their counts, 100 to 150 bytes each: about 0.1 GB for the 770,996 words of
    YFCC15M-V2, and 1 GB for the 8,262,556 of V1.
    """

    def __init__(self) -> None:
        self._examples = 0
        self._lengths: Counter[int] = Counter()  # captions by number of words
        self._english: Counter[tuple[int, int]] = Counter()  # by English words, words but numbers
        self._words: Counter[str] = Counter()

    def add(self, *captions: str) -> None:
        """Counts one pair with its captions."""
        self._examples += 1
        for caption in captions:
            words = english.words(caption)
            self._lengths[len(words)] += 1
            self._english[english.count(words)] += 1
            self._words.update(words)

    def merge(self, other: "CaptionStatistics") -> None:
        """Adds what `other` has counted."""
        self._examples += other._examples
        self._lengths.update(other._lengths)
        self._english.update(other._english)
        self._words.update(other._words)

    def result(self, frequent: int = 100) -> CaptionSummary:
        """The statistics, with as many of the most frequent words as `frequent` says."""
        captions = sum(self._lengths.values())
        words = sum(length * count for length, count in self._lengths.items())
        squares = sum(length**2 * count for length, count in self._lengths.items())
        variance = (captions * squares - words**2) / max(1, captions) ** 2
        ratios = math.fsum(english.ratio(*pair) * n for pair, n in self._english.items())
        spelt = sum(spelt * count for (_, spelt), count in self._english.items())
        known = sum(known * count for (known, _), count in self._english.items())
        return CaptionSummary(
            examples=self._examples,
            captions=captions,
            mean_length=words / max(1, captions),
            std_length=math.sqrt(variance),
            english_ratio=ratios / max(1, captions),
            english_ratio_of_words=english.ratio(known, spelt),
            unique_words=len(self._words),
            words=words,
            lengths=dict(sorted(self._lengths.items())),
            frequent=heapq.nsmallest(
                frequent, self._words.items(), key=lambda item: (-item[1], item[0])
            ),
        )
