"""Captions to ids, on one core.

Captions are names of the embedded data set joined to sentences, 17 ids on average; the ids of both
sides are checked to be equal first.

- "ids": ours is `Tokenizer`, mapped by tf.data over batches of 256.
- "ids, cold": the peer begins every repetition with an empty cache, as a new process does. Ours has
  its words in a table from the start and remembers nothing.
- "EDA, ids, masks": ours alone draws each caption's EDA version, tokenizes it and masks it, against
  the peer that only tokenizes.

The peer is OpenAI's published algorithm in plain Python, `simple_tokenizer.py`, with its cache of
words and without its cleaning (ftfy, HTML entities), which ours leaves to data preparation. The
slow tokenizer of transformers, which was this algorithm, is gone since version 5.

What was tried
--------------
- Known words come from a table with all their pieces; only others are merged.
- The two regular expressions take nearly half of the time. One expression for both, with a group,
  took five times as long as the two: RE2 leaves its fast automaton where it must report a group.
"""

from collections.abc import Iterator

from clipbench_tf.benchmarks.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.contender import Side
from clipbench_tf.benchmarks.measure import Unit

_OURS = "clipbench_tf.benchmarks.ours.tokenizer"
_PEER = "clipbench_tf.benchmarks.peers.tokenizer:ids"


def cases(captions: int = 20_000, repetitions: int = 7) -> Iterator[dict]:
    """A record for each of the three."""
    for case, ours, cold in (
        ("ids", "ids", False),
        ("ids, cold", "ids", True),
        ("EDA, ids, masks", "augmented", False),
    ):
        yield compare(
            case,
            Unit("captions/s", captions),
            {
                OURS: Side(f"{_OURS}:{ours}", {"captions": captions}, cores=1),
                PEER: Side(_PEER, {"captions": captions, "cold": cold}, cores=1),
            },
            repetitions=repetitions,
            tolerance=0.0 if ours == "ids" else None,
        )
