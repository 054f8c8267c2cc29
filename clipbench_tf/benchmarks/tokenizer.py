"""Tokenizes captions on one core.

Captions are sentences of class names of the embedded data set and words of WordNet, 17 ids on
average; the ids of all sides are checked to be equal first. Ours is `Tokenizer`, mapped by tf.data
over batches of 256, which are slices of one tensor. Its iterator continues from one repetition to
the next, as in training, and nothing is prefetched while the peer runs.

The peer is OpenAI's published algorithm in plain Python, `simple_tokenizer.py`, with its cache of
words. The slow tokenizer of transformers, which was this algorithm, is gone since version 5.

- "ids": the comparison that favours the peer. It skips its cleaning, which ours leaves to data
  preparation, and its cache holds all words.
- "ids, cold": the same, but the peer begins every repetition with an empty cache, as a new process
  does. Ours has a table of words from the start and caches nothing.
- "ids, peer as shipped": the peer as OpenAI ships it, with ftfy and twice html.unescape for every
  caption, and a cache that holds all words. Ours does not clean.
- "EDA, ids, masks": ours augments each caption by EDA, tokenizes and masks it, against the peer of
  "ids" that only tokenizes.

What was tried
--------------
Microseconds of processor time for a caption, in batches of 256, on one core of an AMD EPYC, where
the peer of "ids" took 26. No change altered ids, EDA captions or masks.

- Whole runs between spaces are looked up first. Only those in no table, a tenth, go through the
  regular expression that splits words; only captions that are not ASCII go through the one for
  spaces and the slower lower-casing. With the start and end marks as words of the text, and sums
  over segments that put the words of split runs in order: 7.0 became 4.9, at batches of 1024 5.7
  became 3.7. tf.scatter_nd in place of such a sum took about 0.2 ms more for a batch.
- Known words come from a table with all their pieces; only others are merged. Merging takes 1.6 of
  the 4.9, at 1024 0.7: eight words of a batch are unknown, and launching ops takes the time. A row
  for each word and one merge in a round, for fewer ops, gained 6% at 256 and nothing at 1024, and
  is not used. Nor does the table hold the benchmark's own words, which would be cheating.
- EDA draws synonyms only for the third of the captions that need one, and copies every word once:
  7.9 became 5.4. Masking draws random numbers only for tokens before the end: 3.5 became 2.7.
  (These four numbers are from a busy machine.)
- One expression for both spaces and words, with a group, took five times as long as the two: RE2
  does not use its fast automaton where it must report a group.
- A new iterator for each repetition, as this benchmark had before, is two to three times as slow,
  so it measured the start: apparently, a new iterator's executor hands every op to another thread
  until it has found some ninety times that the op is cheap. Records from before this change have
  ratios of 2.0, 2.8 and 0.7; the same code on a continuing iterator takes the 7.0 above, so more
  of the gain over those records comes from this than from the other changes.
"""

from collections.abc import Iterator

from clipbench_tf.benchmarks.harness.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.harness.contender import Side
from clipbench_tf.benchmarks.harness.measure import Unit

_OURS = "clipbench_tf.benchmarks.ours.tokenizer"
_PEER = "clipbench_tf.benchmarks.peers.tokenizer:ids"
_WARM_UPS = 3  # with 20,000 captions enough for TensorFlow to find out which ops are cheap
_CASES = {  # our function, and the peer's options
    "ids": ("ids", {}),
    "ids, cold": ("ids", {"cold": True}),
    "ids, peer as shipped": ("ids", {"cleaned": True}),
    "EDA, ids, masks": ("augmented", {}),
}


def cases(captions: int = 20_000, repetitions: int = 7) -> Iterator[dict]:
    """Yields a record for each of the four cases."""
    for case, (ours, options) in _CASES.items():
        yield compare(
            case,
            Unit("captions/s", captions),
            {
                OURS: Side(f"{_OURS}:{ours}", {"captions": captions}, cores=1),
                PEER: Side(_PEER, {"captions": captions, **options}, cores=1),
            },
            repetitions=repetitions,
            tolerance=0.0 if ours == "ids" else None,
            warm_ups=_WARM_UPS,
        )
