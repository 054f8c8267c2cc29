"""OpenAI CLIP's byte-pair tokenizer as a graph of core TensorFlow ops."""

import functools
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data.text import bpe, vocabulary
from clipbench_tf.data.text.merging import Merging, table

# \s as Python's `regex` module has it; RE2's own \s knows ASCII only. NUL ends a text for
# tf.strings.lower, so it is replaced by a space too.
_SPACES = r"[\x{0}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]+"
_PLAIN = r"[\x01-\x7F]*"  # ASCII, for which lower-casing and splitting by bytes are enough
# What the table of words has for start and end: capitals, so that no lower-cased caption has them.
_START, _END = b"START", b"END"
# OpenAI's pattern for lower-case text, without its start and end marks. It ignores case, and the
# long s U+017F is an s then.
_WORD = r"'[s\x{17F}]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\v\p{L}\p{N}]+"


class Tokenizer(tf.Module):
    """Maps captions to ids, in graph: string [B] -> int32 [B, L].

    A row is the start id, the caption's pieces, the end id, and zeros. Of a longer caption the
    first L - 2 pieces are kept, so the end id is always there. The ids are those of OpenAI's
    `simple_tokenizer.py` for text that its cleaning (ftfy, HTML entities) would leave as it is;
    cleaning happens when data is prepared (`cleaning.py`). Bytes that are not UTF-8 count as U+FFFD
    and a NUL as a space; capitals added in Unicode 14 (Vithkuqi and six more) are not lower-cased.

    Deviates: a caption that spells out <|startoftext|> or <|endoftext|> is text here; OpenAI's
    tokenizer gives it the id of the mark, so that a caption can end itself.

    Only core ops are used, so an exported model that holds a Tokenizer needs nothing but TensorFlow
    to load. A table holds the pieces of common words. Each run of characters between spaces is
    looked up first; only runs that are missing are split into words, and only words that are
    missing are merged pair by pair, all of a batch together.
    """

    needs = ()  # packages that an export with this tokenizer needs to load

    def __init__(self, *, context_length: int = 77, merges: int = vocabulary.MERGES) -> None:
        """Args:
          context_length: L, with start and end; at least 3.
          merges: how many of OpenAI's merges to apply. Fewer give a smaller vocabulary, whose
            embeddings are most of a small model's weights, and longer captions.

        Raises:
          ValueError: if `context_length` is below 3, or `merges` outside OpenAI's 0 to 48,894.
        """
        super().__init__(name="tokenizer")
        if context_length < 3:
            raise ValueError(f"context_length must be at least 3, got {context_length}")
        self.context_length = context_length
        self.vocabulary = vocabulary.clip(merges)
        self._merges = merges  # not the Bpe, of which tf.Module would wrap each of 500,000 items
        self._words, self._merging = _tables(merges)

    @tf.autograph.experimental.do_not_convert
    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Tokenizes `texts`, string [B], to int32 [B, L].

        It has no tf.function of its own: tf.data takes that for stateful, and could not save an
        iterator's position. Eager calls are slow, so call it from a graph.
        """
        with tf.device("/CPU:0"):  # string ops run there; a GPU would only add copies
            framed = tf.strings.join([_START, _lower(texts), _END], separator=" ")
            pieces, rows = self._pieces(framed)
            found = tf.where(pieces > 0)
            ids = tf.raw_ops.RaggedTensorToTensor(
                shape=tf.constant([-1, self.context_length], tf.int64),
                values=tf.cast(tf.gather_nd(pieces, found), tf.int32) - 1,
                default_value=-1,
                row_partition_tensors=[tf.size(texts, tf.int64), tf.gather(rows, found[:, 0])],
                row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
            )
            # A piece in the last column means that the caption is too long, or ends there.
            last = tf.where(ids[:, -1:] < 0, self.vocabulary.pad, self.vocabulary.end)
            return tf.concat([tf.maximum(ids[:, :-1], self.vocabulary.pad), last], axis=1)

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """Converts rows of ids, [B, L], to lower-case captions for inspection, not in graph."""
        pieces, end = bpe.load_bpe(self._merges).pieces, self.vocabulary.end
        captions = []
        for row in ids:
            content = [int(i) for i in row if i != self.vocabulary.start]
            if end in content:
                content = content[: content.index(end)]
            text = b"".join(pieces[i] for i in content)
            captions.append(text.decode("utf-8", errors="replace").strip())
        return captions

    def spell(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """In graph: what rows of pieces spell, int32 [N, (K)] -> string [N]."""
        pieces = tf.constant(bpe.load_bpe(self._merges).pieces)
        texts = tf.strings.reduce_join(tf.gather(pieces, ids), axis=1)
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")  # half a letter is U+FFFD

    def _pieces(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The pieces of the N words of `texts` [B], [N, K], and the row of each word, int64 [N].

        Pieces are uint16, as id + 1, 0 where there is none.
        """
        runs, rows, places = _split(texts)
        packed = self._words.lookup(runs)
        # Every run has at least one piece, so runs from context_length on are cut anyway.
        mixed = tf.where((packed == 0) & (places < self.context_length))[:, 0]
        words, which, places = _split(
            tf.strings.regex_replace(tf.gather(runs, mixed), _WORD, r"\0 ")
        )
        packed_words, owners = self._words.lookup(words), tf.gather(mixed, which)
        counts = tf.tensor_scatter_nd_update(
            tf.ones_like(packed), mixed[:, tf.newaxis], tf.math.segment_max(places + 1, which)
        )
        starts = tf.cumsum(counts, exclusive=True)
        places += tf.gather(starts, owners)
        # A mixed run is 0 where its first word goes, so that a segment sum orders all of them.
        order, count = tf.concat([starts, places], 0), tf.reduce_sum(counts)
        packed = tf.math.unsorted_segment_sum(tf.concat([packed, packed_words], 0), order, count)
        rows = tf.concat([rows, tf.gather(rows, owners)], 0)
        rows = tf.math.unsorted_segment_max(rows, order, count)
        unknown = tf.where(packed_words == 0)[:, 0]
        pieces = self._with_unknown(
            tf.bitcast(packed, tf.uint16), tf.gather(words, unknown), tf.gather(places, unknown)
        )
        return pieces, rows

    def _with_unknown(self, pieces: tf.Tensor, words: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """`pieces` [N, 4] with those of `words` [U] in rows `places` [U], widened as needed."""

        def merged() -> tf.Tensor:
            different, which = tf.unique(words)
            made = self._merging(different)[:, : self.context_length]
            missing = tf.shape(made)[1] - bpe.WORD_PIECES
            made = tf.pad(made, [[0, 0], [0, tf.maximum(0, -missing)]])
            wider = tf.pad(pieces, [[0, 0], [0, tf.maximum(0, missing)]])
            return tf.tensor_scatter_nd_update(wider, places[:, tf.newaxis], tf.gather(made, which))

        return tf.cond(tf.size(words) > 0, merged, lambda: pieces)


def _lower(texts: tf.Tensor) -> tf.Tensor:
    """`texts` [B] in lower case, with spaces that StringSplitV2 knows."""
    others = tf.where(~tf.strings.regex_full_match(texts, _PLAIN))
    made = tf.strings.regex_replace(tf.gather_nd(texts, others), _SPACES, " ")
    # Before the next op, which lower-cases U+0130 by the machine's locale (Turkish i).
    made = tf.strings.regex_replace(tf.strings.lower(made), "\u0130", "i\u0307")
    made = tf.strings.lower(made, encoding="utf-8")
    return tf.tensor_scatter_nd_update(tf.strings.lower(texts), others, made)


def _split(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The parts of `texts` [B] between spaces, string [N], and their rows and places, int64 [N]."""
    indices, parts, _ = tf.raw_ops.StringSplitV2(input=texts, sep="")
    rows, places = tf.unstack(indices, axis=1)
    return parts, rows, places


@functools.cache
def _tables(merges: int) -> tuple[tf.lookup.StaticHashTable, Merging]:
    """The table of common words, and what merges others; all tokenizers of a process share them.

    TensorFlow frees no table before the process ends, and one has 17 MB.
    """
    known, numbers = bpe.load_bpe(merges), vocabulary.clip(merges)
    with tf.init_scope():
        ids = np.append(known.word_ids, [numbers.start + 1, numbers.end + 1])
        words = table([*known.words, _START, _END], ids, default=0)
    return words, Merging(known)
