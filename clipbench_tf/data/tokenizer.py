"""OpenAI CLIP's byte-pair tokenizer as a graph of core TensorFlow ops."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data import bpe, vocabulary

# \s as Python's `regex` module has it; RE2's own \s knows ASCII only. NUL ends a text for
# tf.strings.lower, so it is made a space too.
_SPACES = r"[\x{0}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]+"
# OpenAI's pattern for lower-case text. It ignores case, and the long s U+017F is an s then.
_WORD = (
    r"<\|startoftext\|>|<\|endoftext\|>"
    r"|'[s\x{17F}]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\v\p{L}\p{N}]+"
)
_LONGEST_WORD = 4096  # bytes: what is cut lies far behind 75 pieces, and merging is quadratic


class Tokenizer(tf.Module):
    """Maps captions to ids, in graph: string [B] -> int32 [B, L].

    A row is the start id, the caption's pieces, the end id, and zeros. Of a caption that is too
    long the first L - 2 pieces stay, so the end id is always there. The ids are those of OpenAI's
    `simple_tokenizer.py` for text that its cleaning (ftfy, HTML entities) would leave as it is;
    cleaning happens when data is prepared (`cleaning.py`). As there, a caption that spells out
    <|startoftext|> or <|endoftext|> gets that id. Bytes that are no UTF-8 count as U+FFFD and a
    NUL as a space; capitals that came with Unicode 14 (Vithkuqi and six more) stay capitals.

    Only core ops are used, so an exported model that holds a Tokenizer loads with nothing but
    TensorFlow. Words that are common have their pieces in a table; the others are merged pair by
    pair, all of a batch together.
    """

    start_id = vocabulary.START_ID
    end_id = vocabulary.END_ID
    mask_id = vocabulary.MASK_ID
    pad_id = vocabulary.PAD_ID
    vocabulary_size = vocabulary.VOCABULARY_SIZE

    def __init__(self, *, context_length: int = 77) -> None:
        """Args: context_length: L, with start and end; at least 3.

        Raises:
          ValueError: if `context_length` leaves no room for a caption.
        """
        super().__init__(name="tokenizer")
        if context_length < 3:
            raise ValueError(f"context_length must be at least 3, got {context_length}")
        self.context_length = context_length
        known = bpe.load_bpe()
        with tf.init_scope():
            self._byte_ids = tf.constant(known.byte_ids)
            self._words = _table(known.words, known.word_ids, default=0)
            self._ranks = _table(known.pairs, np.arange(len(known.pairs)), default=len(known.pairs))

    @tf.autograph.experimental.do_not_convert
    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Tokenizes `texts`, string [B], to int32 [B, L].

        Plain ops and no tf.function of its own: tf.data can save an iterator's position only past
        those. Called op by op it is slow, so call it from a graph.
        """
        with tf.device("/CPU:0"):  # strings live there; a GPU would only see copies to and fro
            words, rows = self._split(texts)
            pieces = self._pieces(words)
            found = tf.where(pieces > 0)
            content = tf.RaggedTensor.from_value_rowids(
                tf.cast(tf.gather_nd(pieces, found), tf.int32) - 1,
                tf.gather(rows, found[:, 0]),
                nrows=tf.size(texts, tf.int64),
                validate=False,
            )
            return self._framed(content)

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """Turns rows of ids, [B, L], back to lower-case captions, on the host, to be looked at."""
        pieces = bpe.load_bpe().pieces
        captions = []
        for row in ids:
            content = [int(i) for i in row if i != self.start_id]
            if self.end_id in content:
                content = content[: content.index(self.end_id)]
            text = b"".join(pieces[i] for i in content)
            captions.append(text.decode("utf-8", errors="replace").strip())
        return captions

    def _split(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Cuts `texts` [B] into words [N] and the row of each, int64 [N]."""
        texts = tf.strings.regex_replace(texts, _SPACES, " ")
        # What follows depends on the machine's locale for these: Turkish has its own i.
        texts = tf.strings.regex_replace(tf.strings.lower(texts), "\u0130", "i\u0307")
        texts = tf.strings.lower(texts, encoding="utf-8")
        texts = tf.strings.regex_replace(texts, _WORD, r"\0 ")
        indices, words, _ = tf.raw_ops.StringSplitV2(input=texts, sep="")
        rows, places = tf.unstack(indices, axis=1)
        kept = places < self.context_length - 2  # every word has at least one piece
        return tf.boolean_mask(words, kept), tf.boolean_mask(rows, kept)

    def _pieces(self, words: tf.Tensor) -> tf.Tensor:
        """The pieces of `words` [N], uint16 [N, K], each as id + 1, 0 where there is none."""
        packed = self._words.lookup(words)
        pieces = tf.bitcast(packed, tf.uint16)
        unknown = tf.where(packed == 0)

        def with_unknown() -> tf.Tensor:
            different, which = tf.unique(tf.gather_nd(words, unknown))
            merged = tf.cast(self._merge(different), tf.uint16)
            wider = tf.pad(pieces, [[0, 0], [0, tf.shape(merged)[1] - bpe.WORD_PIECES]])
            return tf.tensor_scatter_nd_update(wider, unknown, tf.gather(merged, which))

        return tf.cond(tf.size(unknown) > 0, with_unknown, lambda: pieces)

    def _merge(self, words: tf.Tensor) -> tf.Tensor:
        """Byte-pair encoding of `words` [U], int64 [U, K], as ids + 1, K at least WORD_PIECES.

        All symbols stand in one row, [S], each with its word. In a round every word merges its
        first pair of the lowest rank, until no word has a pair left that is a merge.
        """
        words = tf.strings.substr(words, 0, _LONGEST_WORD)
        lengths = tf.strings.length(words)
        symbols = tf.RaggedTensor.from_tensor(
            tf.io.decode_raw(words, tf.uint8, fixed_length=tf.reduce_max(lengths)), lengths=lengths
        )
        owners = symbols.value_rowids()
        ids = tf.gather(self._byte_ids, tf.cast(symbols.flat_values, tf.int32))
        ids += 256 * tf.cast(owners != tf.concat([owners[1:], [-1]], 0), tf.int64)
        count = tf.size(words, tf.int64)
        none = self._ranks.default_value

        def merge_once(ids: tf.Tensor, owners: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, ...]:
            ranks = self._ranks.lookup(ids[:-1] * 65_536 + ids[1:])
            ranks = tf.where(owners[:-1] == owners[1:], ranks, none)
            best = tf.math.unsorted_segment_min(ranks, owners[:-1], count)
            merged = tf.concat(
                [(ranks < none) & (ranks == tf.gather(best, owners[:-1])), [False]], 0
            )
            # Of pairs that overlap ("aaa") the first is merged now, the others in later rounds.
            merged &= ~tf.concat([[False], merged[:-1]], 0)
            ids = tf.where(merged, 512 + tf.concat([ranks, [0]], 0), ids)
            kept = ~tf.concat([[False], merged[:-1]], 0)
            return (
                tf.boolean_mask(ids, kept),
                tf.boolean_mask(owners, kept),
                tf.reduce_any(merged),
            )

        shapes = [tf.TensorShape([None]), tf.TensorShape([None]), tf.TensorShape([])]
        ids, owners, _ = tf.while_loop(
            lambda ids, owners, going: going,
            merge_once,
            [ids, owners, tf.constant(True)],
            shape_invariants=shapes,
        )
        pieces = tf.RaggedTensor.from_value_rowids(ids + 1, owners, nrows=count, validate=False)
        pieces = pieces.to_tensor()[:, : self.context_length - 2]
        missing = tf.maximum(0, bpe.WORD_PIECES - tf.shape(pieces)[1])
        return tf.pad(pieces, [[0, 0], [0, missing]])

    def _framed(self, content: tf.RaggedTensor) -> tf.Tensor:
        """Puts start and end around `content` [B, (pieces)]; int32 [B, L]."""
        room = self.context_length - 2
        ends = tf.cast(tf.minimum(content.row_lengths(), room), tf.int32) + 1
        ids = tf.pad(content.to_tensor(shape=[None, room]), [[0, 0], [1, 1]])
        places = tf.range(self.context_length)[tf.newaxis]
        ids = tf.where(places == 0, self.start_id, ids)
        return tf.where(places == ends[:, tf.newaxis], self.end_id, ids)


def _table(
    keys: list[bytes] | np.ndarray, values: np.ndarray, *, default: int
) -> tf.lookup.StaticHashTable:
    content = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(values, tf.int64))
    return tf.lookup.StaticHashTable(content, default)
