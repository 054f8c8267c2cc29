"""The special ids of CLIP's vocabulary, or of one with fewer merges."""

from typing import NamedTuple

MERGES = 48_894  # of OpenAI's byte-pair encoding, most frequent first
LETTERS = 512  # ids before the merges: 256 bytes inside a word, 256 at its end


class Vocabulary(NamedTuple):
    """What a tokenizer, the masking of its ids and the tower that reads them must agree on."""

    size: int
    start: int  # -1 where there is none, and so is `mask`
    end: int
    mask: int
    pad: int  # CLIP's is also the piece "!": padding is what follows the end token
    ordinary: tuple[int, int]  # [first, end) of the ids of text pieces


def clip(merges: int = MERGES) -> Vocabulary:
    """CLIP's ids with its first `merges` merges: bytes, merges, start, end, and a mask added here.

    With all 48,894, start and end are OpenAI's 49406 and 49407.

    Raises:
        ValueError: if `merges` is not in 0 to 48,894.
    """
    if not 0 <= merges <= MERGES:
        raise ValueError(f"merges is {merges}; OpenAI's vocabulary has 0 to {MERGES}.")
    start = LETTERS + merges
    return Vocabulary(start + 3, start, start + 1, start + 2, pad=0, ordinary=(0, start))


CLIP = clip()
VOCABULARY_SIZE, START_ID, END_ID, MASK_ID, PAD_ID = CLIP[:5]
IGNORED_LABEL = -100  # a position that masked language modelling does not score
