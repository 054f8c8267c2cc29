"""OpenAI CLIP's byte-pair merges as ids, and the precomputed pieces of common words.

Facts from github.com/openai/CLIP `simple_tokenizer.py` (MIT): ids 0..255 are single bytes, 256..511
the same bytes at the end of a word, 512 + r the result of merge r, then the start and end marks.
"""

import functools
import gzip
import re
from importlib import resources
from typing import NamedTuple

import numpy as np

from clipbench_tf.data.text import vocabulary

MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"
START, END, MASK = "<|startoftext|>", "<|endoftext|>", "<|mask|>"
WORD_PIECES = 4  # at most, in the 64 bits of a table's value, 16 for each

_WORD_END = b"</w>"


class Bpe(NamedTuple):
    """The vocabulary in the form that the lookup tables are filled from."""

    pieces: list[bytes]  # [M + 515] what each id stands for; an end of word is shown as a space
    byte_ids: np.ndarray  # int64 [256]: the id of each byte inside a word; + 256 at its end
    pairs: np.ndarray  # int64 [M]: left id * 65,536 + right id; the index is the merge's rank
    words: list[bytes]  # [W] words of up to four pieces
    word_ids: np.ndarray  # int64 [W]: their pieces, first one lowest, each as 16 bits of id + 1


@functools.cache
def load_bpe(count: int = vocabulary.MERGES) -> Bpe:
    """Reads the merges that ship with the package (half a second, once per process and `count`).

    The published file holds 262,144 merges, most frequent first, of which CLIP's vocabulary takes
    the first 48,894. `count`, M above, takes fewer: a smaller vocabulary, as byte-pair encoding
    learns it from the same text. The remaining merges name further common words: the pieces of a
    merge outside the vocabulary are those of its left side followed by those of its right side.
    """
    byte_order = _byte_order()
    packed = {bytes([byte]): i for i, byte in enumerate(byte_order, 1)}
    packed |= {bytes([byte]) + _WORD_END: i for i, byte in enumerate(byte_order, 257)}
    merges = _read_merges(byte_order)
    pairs = []
    for new, merge in enumerate(merges[:count], 513):
        left, _, right = merge.partition(b" ")
        pairs.append((packed[left] - 1) * 65_536 + packed[right] - 1)
        packed[left + right] = new
    pieces = [_shown(piece) for piece in packed]
    for merge in merges[count:]:
        left, _, right = merge.partition(b" ")
        low = packed[left]
        packed[left + right] = low | packed[right] << (low.bit_length() + 15 & ~15)
    words = {
        piece.removesuffix(_WORD_END): ids
        for piece, ids in packed.items()
        if piece.endswith(_WORD_END) and ids < 1 << 16 * WORD_PIECES
    }
    return Bpe(
        pieces=pieces + [special.encode() + b" " for special in (START, END, MASK)],
        byte_ids=np.argsort(byte_order).astype(np.int64),
        pairs=np.array(pairs, np.int64),
        words=list(words),
        word_ids=np.array(list(words.values()), np.uint64).view(np.int64),
    )


def published(count: int = vocabulary.MERGES) -> tuple[list[str], list[str]]:
    """The vocabulary as other libraries read it (vocab.json and merges.txt), without the mask.

    Returns:
        What each id stands for, [count + 514], and the `count` merges, "left right".
    """
    order = _byte_order()
    letters = [chr(byte) for byte in order[:-68]] + [chr(0x100 + i) for i in range(68)]
    merges = _merges_file().split("\n")[1 : count + 1]
    ends = [letter + _WORD_END.decode() for letter in letters]
    joined = [merge.replace(" ", "") for merge in merges]
    return [*letters, *ends, *joined, START, END], merges


def _merges_file() -> str:
    """The published file: a head, and a merge a line."""
    compressed = (resources.files(__package__) / MERGES_FILE).read_bytes()
    return gzip.decompress(compressed).decode("utf-8")


def _byte_order() -> list[int]:
    """The bytes in the order of their ids: those that are printable in Latin-1 come first."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return printable + sorted(set(range(256)) - set(printable))


def _read_merges(byte_order: list[int]) -> list[bytes]:
    """The file's merges as bytes; the 68 unprintable bytes are written there as U+0100 and up."""
    hidden = {chr(0x100 + i): chr(byte) for i, byte in enumerate(byte_order[-68:])}
    text = re.sub("[\u0100-\u0143]", lambda letter: hidden[letter[0]], _merges_file())
    return text.encode("latin-1").split(b"\n")[1:-1]


def _shown(piece: bytes) -> bytes:
    return piece[: -len(_WORD_END)] + b" " if piece.endswith(_WORD_END) else piece
