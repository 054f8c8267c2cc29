"""OpenAI's byte-pair encoding in plain Python, and captions of all kinds to try it on.

Its start and end marks are text here, as they are in our tokenizer.
"""

import functools
import gzip
import itertools
import random
import unicodedata
from importlib import resources

import numpy as np
import regex

PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE,
)
SPECIALS = ["<|startoftext|>", "<|endoftext|>"]


class PythonBpe:
    """OpenAI's algorithm, one word and one merge at a time."""

    def __init__(self) -> None:
        file = resources.files("clipbench_tf.data.text") / "bpe_simple_vocab_16e6.txt.gz"
        lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
        self.merges = [tuple(line.split()) for line in lines[1:48_895]]
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        printable = [b for b in range(256) if chr(b).isprintable() and chr(b) != " "]
        hidden = [b for b in range(256) if b not in printable]
        self.letters = dict(zip(printable, map(chr, printable), strict=True))
        self.letters |= {b: chr(256 + i) for i, b in enumerate(hidden)}
        letters = list(self.letters.values())
        vocabulary = letters + [f"{c}</w>" for c in letters] + ["".join(m) for m in self.merges]
        self.vocabulary = {piece: i for i, piece in enumerate(vocabulary + SPECIALS)}

    @functools.cache  # noqa: B019
    def word(self, word: str) -> list[int]:
        symbols = [self.letters[byte] for byte in word.encode("utf-8")]
        symbols[-1] += "</w>"
        while True:
            pairs = set(itertools.pairwise(symbols)) & self.ranks.keys()
            if not pairs:
                return [self.vocabulary[symbol] for symbol in symbols]
            best = min(pairs, key=self.ranks.__getitem__)
            i = 0
            while i < len(symbols) - 1:
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i : i + 2] = ["".join(best)]
                i += 1

    def __call__(self, texts: list[str], context_length: int = 77) -> np.ndarray:
        rows = np.zeros([len(texts), context_length], np.int32)
        for row, text in zip(rows, texts, strict=True):
            words = PATTERN.findall(regex.sub(r"\s+", " ", text).strip().lower())
            ids = [i for word in words for i in self.word(word)][: context_length - 2]
            ids = [49_406, *ids, 49_407]
            row[: len(ids)] = ids
        return rows


def varied_captions(vocabulary: list[str], count: int, seed: int) -> list[str]:
    """Captions of many scripts and shapes in Unicode's composed form, none with specials."""
    pick = random.Random(seed)
    blocks = [(0x61, 0x7A), (0xE0, 0x17E), (0x3B1, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA)]
    blocks += [(0x621, 0x64A), (0x905, 0x939), (0xE01, 0xE2E), (0x3041, 0x3093), (0x30A1, 0x30F3)]
    blocks += [(0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1F300, 0x1F64F), (0x900, 0x97F), (0x21, 0x7E)]
    families = ["👩\u200d👩\u200d👧\u200d👦", "👍🏽", "🏳️\u200d🌈", "❤️", "🇩🇪🇫🇷", "😂😂😂😂😂😂", "#️⃣"]
    spaces = [" "] * 20 + list("\t\n\x0b\x85\xa0\u2009\u2028\u3000") + ["  ", ""]
    marks = [*"!-()'\"@#&_%€\u2019", "...", "?!", "--", "''"]
    endings = ["'s", "'t", "'re", "'VE", "'m", "'LL", "'d", "n't", "'x", "'", "s'"]

    def word() -> str:
        kind = pick.random()
        if kind < 0.5:
            return pick.choice(vocabulary)
        if kind < 0.6:
            low, high = pick.choice(blocks)
            letters = (chr(pick.randint(low, high)) for _ in range(pick.randint(1, 9)))
            return "".join(letters)
        if kind < 0.7:
            return "".join(pick.choices("abcdefghijklmnopqrstuvwxyz", k=pick.randint(1, 14)))
        if kind < 0.78:
            return str(pick.randint(0, 10 ** pick.randint(1, 9)))
        if kind < 0.86:
            return "".join(pick.choices(marks, k=pick.randint(1, 4)))
        if kind < 0.94:
            return pick.choice(vocabulary) + pick.choice(endings) + pick.choice(["", "ly", "7"])
        return pick.choice(families) * pick.randint(1, 3)

    captions = []
    for _ in range(count):
        length = pick.choice([0, 1, 2, 5, 10, 15, 20, 40, 90])
        parts = (part for _ in range(length) for part in (word(), pick.choice(spaces)))
        caption = "".join(parts)
        caption = pick.choice([caption, caption, caption.upper(), caption.title()])
        caption = caption.replace("\u03a3", "\u03c3")  # Rust knows no final sigma
        captions.append(unicodedata.normalize("NFC", caption))
    return captions
