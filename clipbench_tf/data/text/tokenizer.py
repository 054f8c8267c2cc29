"""OpenAI CLIP's byte-pair tokenizer as a graph of core TensorFlow ops."""

from collections.abc import Iterable, Sequence

import tensorflow as tf

from clipbench_tf.data.text import bpe, vocabulary
from clipbench_tf.data.text.merging import Merging, table

# \s as Python's `regex` module has it; RE2's own \s knows ASCII only. NUL ends a text for
# tf.strings.lower, so it is made a space too.
_SPACES = r"[\x{0}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]+"
_PLAIN = r"[\x01-\x7F]*"  # ASCII, for which the bytes' own lower case and spaces are enough
# OpenAI's pattern for lower-case text. It ignores case, and the long s U+017F is an s then.
_WORD = (
    r"<\|startoftext\|>|<\|endoftext\|>"
    r"|'[s\x{17F}]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\v\p{L}\p{N}]+"
)


class Tokenizer(tf.Module):
    """Maps captions to ids, in graph: string [B] -> int32 [B, L].

    A row is the start id, the caption's pieces, the end id, and zeros. Of a caption that is too
    long the first L - 2 pieces stay, so the end id is always there. The ids are those of OpenAI's
    `simple_tokenizer.py` for text that its cleaning (ftfy, HTML entities) would leave as it is;
    cleaning happens when data is prepared (`cleaning.py`). As there, a caption that spells out
    <|startoftext|> or <|endoftext|> gets that id. Bytes that are no UTF-8 count as U+FFFD and a
    NUL as a space; capitals that came with Unicode 14 (Vithkuqi and six more) stay capitals.

    Only core ops are used, so an exported model that holds a Tokenizer loads with nothing but
    TensorFlow. Words that are common have their pieces in a table, where a whole run of letters or
    marks between two spaces is looked up first; only what is not there is cut into words, and only
    words that are not there are merged pair by pair, all of a batch together.
    """

    needs = ()  # packages whose operations an export that holds it needs

    def __init__(self, *, context_length: int = 77, merges: int = vocabulary.MERGES) -> None:
        """Args:
          context_length: L, with start and end; at least 3.
          merges: how many of OpenAI's merges to apply. Fewer make a smaller vocabulary, which is
            what most of a small model's weights are rows of, and longer captions.

        Raises:
          ValueError: if `context_length` leaves no room for a caption, or there are not so many
            merges.
        """
        super().__init__(name="tokenizer")
        if context_length < 3:
            raise ValueError(f"context_length must be at least 3, got {context_length}")
        self.context_length = context_length
        self.vocabulary = vocabulary.clip(merges)
        self._merges = merges  # and not what they make: TensorFlow would wrap each of 500,000 items
        known = bpe.load_bpe(merges)
        with tf.init_scope():
            self._words = table(known.words, known.word_ids, default=0)
        self._merging = Merging(known)

    @tf.autograph.experimental.do_not_convert
    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Tokenizes `texts`, string [B], to int32 [B, L].

        Plain ops and no tf.function of its own: tf.data can save an iterator's position only past
        those. Called op by op it is slow, so call it from a graph.
        """
        with tf.device("/CPU:0"):  # strings live there; a GPU would only see copies to and fro
            framed = tf.strings.join([bpe.START, _lower(texts), bpe.END], separator=" ")
            pieces, rows = self._pieces(framed)
            found = tf.where(pieces > 0)
            ids = tf.raw_ops.RaggedTensorToTensor(
                shape=tf.constant([-1, self.context_length], tf.int64),
                values=tf.cast(tf.gather_nd(pieces, found), tf.int32) - 1,
                default_value=-1,
                row_partition_tensors=[tf.size(texts, tf.int64), tf.gather(rows, found[:, 0])],
                row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
            )
            # Where a piece stands in the last place, the caption is full, and cut there or before.
            last = tf.where(ids[:, -1:] < 0, self.vocabulary.pad, self.vocabulary.end)
            return tf.concat([tf.maximum(ids[:, :-1], self.vocabulary.pad), last], axis=1)

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """Turns rows of ids, [B, L], back to lower-case captions, on the host, to be looked at."""
        pieces, end = bpe.load_bpe(self._merges).pieces, self.vocabulary.end
        captions = []
        for row in ids:
            content = [int(i) for i in row if i != self.vocabulary.start]
            if end in content:
                content = content[: content.index(end)]
            text = b"".join(pieces[i] for i in content)
            captions.append(text.decode("utf-8", errors="replace").strip())
        return captions

    def _pieces(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The words of `texts` [B] as pieces, and the row of each word: [N, K], int64 [N].

        Pieces are uint16, as id + 1, 0 where there is none.
        """
        runs, rows, places = _split(texts)
        packed = self._words.lookup(runs)
        # Every run has at least one piece, so those that stand further back are cut anyway.
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
        # A mixed run counts as 0 where its first word goes, so that a sum puts all in order.
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
        """`pieces` [N, 4] with those of `words` [U] at `places` [U], as wide as it then takes."""

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
    # What follows depends on the machine's locale for these: Turkish has its own i.
    made = tf.strings.regex_replace(tf.strings.lower(made), "\u0130", "i\u0307")
    made = tf.strings.lower(made, encoding="utf-8")
    return tf.tensor_scatter_nd_update(tf.strings.lower(texts), others, made)


def _split(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What stands between spaces in `texts` [B]: string [N], its row and its place in it, int64."""
    indices, parts, _ = tf.raw_ops.StringSplitV2(input=texts, sep="")
    rows, places = tf.unstack(indices, axis=1)
    return parts, rows, places
