"""Seeded captions for the benchmarks, as ids and as text; the same for every side."""

import gzip
import json
import math
import random
from importlib import resources

import numpy as np

from clipbench_tf.data.text.vocabulary import END_ID, PAD_ID, START_ID

CONTEXT = 77
MEAN_LENGTH = 17  # ids with start and end
_SPREAD = 0.5  # standard deviation of the length's logarithm
_SHORTEST = 5
_NAMES = 0.6  # share of class names among the things in a sentence; the others are words of WordNet
_IDS_OF_WORDS = range(320, START_ID)
_LINKS = ("and", "with", "next to", "in front of", "on", "under", "near", "for", "from", "without")
_STARTS = ("a photo of", "this is", "look:", "my new", "the", "one more", "we saw", "it's", "2 of")
_ENDS = (".", "!", "", " :)", " #wow", " (2019)", "...", " by the sea.", " - part 3", "?")
_ADJECTIVES = ("good", "bad", "bright", "dark", "small", "large", "blurry", "clean")
_KINDS = (
    "photo",
    "picture",
    "drawing",
    "painting",
    "sculpture",
    "sketch",
    "rendering",
    "print",
    "close-up photo",
    "jpeg corrupted photo",
)


def lengths(count: int, seed: int = 0) -> np.ndarray:
    """int64 [count]: ids of each caption, start and end included; lognormal, from 5 to 77."""
    draws = np.random.default_rng(seed).normal(
        math.log(MEAN_LENGTH) - 0.5 * _SPREAD**2, _SPREAD, count
    )
    return np.clip(np.rint(np.exp(draws)), _SHORTEST, CONTEXT).astype(np.int64)


def ids(count: int, *, natural: bool, seed: int = 0) -> np.ndarray:
    """int32 [count, 77]: captions of natural length, then padding, or all of 77 ids."""
    words = np.random.default_rng(seed).integers(
        _IDS_OF_WORDS.start, _IDS_OF_WORDS.stop, (count, CONTEXT), np.int32
    )
    last = (lengths(count, seed) if natural else np.full(count, CONTEXT)) - 1
    places = np.arange(CONTEXT)
    rows = np.where(places < last[:, None], words, PAD_ID)
    rows[:, 0] = START_ID
    rows[np.arange(count), last] = END_ID
    return rows


def sentences(count: int, seed: int = 0) -> list[str]:
    """Captions of about 17 ids: names of the embedded data set's classes, and words of WordNet.

    The nth word is drawn in proportion to 1 / n (Zipf's law), as in natural text, so that new
    words keep appearing.
    """
    pick = random.Random(seed)
    names, words_by_rank = class_names(), _words()
    pick.shuffle(words_by_rank)

    def thing() -> str:
        if pick.random() < _NAMES:
            return pick.choice(names)
        return words_by_rank[int(len(words_by_rank) ** pick.random()) - 1]

    captions = []
    for length in lengths(count, seed):
        words = f"{pick.choice(_STARTS)} {thing()}"
        while len(words.split()) < 0.7 * length - 3:  # a word has more than one piece on average
            words += f" {pick.choice(_LINKS)} {thing()}"
        captions.append(words[0].upper() + words[1:] + pick.choice(_ENDS))
    return captions


def class_names() -> list[str]:
    """The names of the classes of the embedded data set."""
    file = resources.files("clipbench_tf.data") / "emoji" / "dataset.json"
    return json.loads(file.read_text(encoding="utf-8"))["classes"]


def _words() -> list[str]:
    file = resources.files("clipbench_tf.data.text") / "synonyms.txt.gz"
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()
    return [line.split("\t")[0] for line in lines]


def templates() -> list[str]:
    """80 prompts with {}, of about ten ids with a name."""
    return [f"a {adjective} {kind} of a {{}}." for adjective in _ADJECTIVES for kind in _KINDS]
