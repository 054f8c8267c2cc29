"""OpenAI's byte-pair encoding as published: in Python, one word at a time, with a cache."""

import gzip
import hashlib
import html
import itertools
from collections.abc import Callable
from importlib import resources

import numpy as np
import regex

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.samples.captions import CONTEXT, sentences

_MERGES = 48_894
_SPECIALS = ("<|startoftext|>", "<|endoftext|>")
_WORD = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE,
)
_SPACES = regex.compile(r"\s+")


def ids(captions: int, cold: bool = False, cleaned: bool = False) -> Job:
    """A job that tokenizes captions.

    Args:
        captions: number of captions.
        cold: whether to empty the cache before each repetition.
        cleaned: whether to clean every caption first, as OpenAI's own tokenizer does.
    """
    tokenizer = PythonTokenizer(_cleaning() if cleaned else None)
    texts = sentences(captions)

    def run() -> np.ndarray:
        if cold:
            tokenizer.clear_cache()
        return tokenizer(texts)

    return Job(run, lambda: hashlib.sha256(run().tobytes()).hexdigest())


def _cleaning() -> Callable[[str], str]:
    """A function that repairs Unicode, unescapes HTML entities twice, and strips both ends."""
    import ftfy  # only this peer needs it

    return lambda text: html.unescape(html.unescape(ftfy.fix_text(text))).strip()


class PythonTokenizer:
    """Texts -> int32 [B, 77], as `simple_tokenizer.py` and `clip.tokenize` compute them.

    Args:
        clean: applied to every text first.
    """

    def __init__(self, clean: Callable[[str], str] | None = None) -> None:
        self._clean = clean
        file = resources.files("clipbench_tf.data.text") / "bpe_simple_vocab_16e6.txt.gz"
        lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
        merges = [tuple(line.split()) for line in lines[1 : _MERGES + 1]]
        self._letters = _letters()
        letters = list(self._letters.values())
        pieces = [*letters, *(c + "</w>" for c in letters), *map("".join, merges), *_SPECIALS]
        self._numbers = {piece: number for number, piece in enumerate(pieces)}
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self.clear_cache()

    def clear_cache(self) -> None:
        """Empties the cache of words."""
        self._cache = {special: special for special in _SPECIALS}

    def __call__(self, texts: list[str]) -> np.ndarray:
        rows = np.zeros((len(texts), CONTEXT), np.int32)
        start, end = (self._numbers[special] for special in _SPECIALS)
        for row, text in zip(rows, texts, strict=True):
            numbers = [start, *self._encode(text)[: CONTEXT - 2], end]
            row[: len(numbers)] = numbers
        return rows

    def _encode(self, text: str) -> list[int]:
        numbers: list[int] = []
        if self._clean:
            text = self._clean(text)
        for word in _WORD.findall(_SPACES.sub(" ", text).strip().lower()):
            symbols = "".join(self._letters[byte] for byte in word.encode("utf-8"))
            numbers.extend(self._numbers[piece] for piece in self._merged(symbols).split(" "))
        return numbers

    def _merged(self, word: str) -> str:
        """The pieces of `word`, separated by spaces."""
        if word in self._cache:
            return self._cache[word]
        symbols = (*word[:-1], word[-1] + "</w>")
        while len(symbols) > 1:
            pairs = set(itertools.pairwise(symbols))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, _MERGES))
            if best not in self._ranks:
                break
            symbols = _joined(symbols, best)
        self._cache[word] = " ".join(symbols)
        return self._cache[word]


def _joined(symbols: tuple[str, ...], pair: tuple[str, ...]) -> tuple[str, ...]:
    """`symbols` with every occurrence of `pair` merged, from the left."""
    joined: list[str] = []
    i = 0
    while i < len(symbols):
        step = 2 if symbols[i : i + 2] == pair else 1
        joined.append("".join(symbols[i : i + step]))
        i += step
    return tuple(joined)


def _letters() -> dict[int, str]:
    """A printable character for each byte: itself, or one from 256 on."""
    printable = [b for b in range(256) if chr(b).isprintable() and chr(b) != " "]
    hidden = [b for b in range(256) if b not in printable]
    return dict(zip(printable, map(chr, printable), strict=True)) | {
        byte: chr(256 + i) for i, byte in enumerate(hidden)
    }
