"""The tokenizer of a KerasHub preset (tensorflow-text) behind the interface of `Tokenizer`."""

import functools
from collections.abc import Iterable, Sequence

import tensorflow as tf

from clipbench_tf import hub_preset
from clipbench_tf.data.text.vocabulary import Vocabulary

ABSENT = -1  # a token that the tokenizer does not have


class HubTokenizer(tf.Module):
    """Maps captions to ids, in graph: string [B] -> int32 [B, L].

    A row is the start token where the tokenizer has one, the caption's pieces, the end token, and
    padding. Longer captions are truncated. As in KerasHub's preprocessors, captions are lower-cased
    for CLIP's tokenizer, and punctuation is removed too for SigLIP's. Loading an export that holds
    a HubTokenizer needs tensorflow-text, as its card says.

    Args:
        preset: a folder or a name (see `hub_preset.tokenizer`).
        context_length: L, with start and end.

    Raises:
        ValueError: if the preset has no tokenizer, or `context_length` is below 3.
    """

    needs = ("tensorflow-text",)

    def __init__(self, *, preset: str, context_length: int) -> None:
        super().__init__(name="tokenizer")
        if context_length < 3:
            raise ValueError(f"context_length must be at least 3, got {context_length}")
        self.preset, self.context_length = preset, context_length
        self.vocabulary = vocabulary_of(preset)
        self._tokenizer = hub_preset.tokenizer(preset)
        self._prepare = _PREPARED.get(type(self._tokenizer).__name__, tf.identity)
        self._traced = tf.function(self.__call__, reduce_retracing=True)
        # Resources that a SavedModel must track; Keras's layers hide them.
        self._resources = [
            value for value in vars(self._tokenizer).values() if isinstance(value, tf.Module)
        ]

    @tf.autograph.experimental.do_not_convert
    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Tokenizes `texts`, string [B], to int32 [B, L]."""
        if tf.executing_eagerly():  # where KerasHub's tokenizer would return lists
            return self._traced(tf.convert_to_tensor(texts))
        vocabulary, rows = self.vocabulary, tf.shape(texts)[0]
        with tf.device("/CPU:0"):
            pieces = tf.cast(self._tokenizer(self._prepare(texts)), tf.int32)
            start = tf.fill([rows, 1 if vocabulary.start >= 0 else 0], vocabulary.start)
            room = self.context_length - 1 - tf.shape(start)[1]
            ids = tf.concat([start, pieces[:, :room], tf.fill([rows, 1], vocabulary.end)], axis=1)
            return ids.to_tensor(vocabulary.pad, shape=[None, self.context_length])

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """Converts rows of ids, [B, L], to captions for inspection, not in graph."""
        (low, high), mask = self.vocabulary.ordinary, self.vocabulary.mask
        rows = [[int(i) for i in row if low <= i < high or i == mask] for row in ids]
        return [str(self._tokenizer.detokenize(row)) if row else "" for row in rows]

    def spell(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """In graph: what rows of pieces spell, int32 [N, (K)] -> string [N]."""
        return tf.ensure_shape(self._tokenizer.detokenize(ids), [None])


def _without_punctuation(texts: tf.Tensor) -> tf.Tensor:
    small = tf.strings.regex_replace(tf.strings.lower(texts), "[[:punct:]]", "")
    return tf.strings.strip(tf.strings.regex_replace(small, r"\s+", " "))


# What KerasHub's preprocessors of these models do before they tokenize.
_PREPARED = {
    "CLIPTokenizer": tf.strings.lower,
    "SigLIPTokenizer": _without_punctuation,
}


@functools.cache
def vocabulary_of(preset: str) -> Vocabulary:
    """The special ids of the preset's tokenizer.

    Raises:
        ValueError: if the preset has no tokenizer, or the tokenizer no end token.
    """
    tokenizer = hub_preset.tokenizer(preset)
    ids = {
        name: getattr(tokenizer, f"{name}_token_id", None)
        for name in ("start", "end", "mask", "pad", "unknown")
    }
    if ids["end"] is None:
        raise ValueError(f"The tokenizer of {preset!r} has no end token; choose another preset.")
    size = int(tokenizer.vocabulary_size())
    known = {i for i in [*ids.values(), *tokenizer.special_token_ids] if i is not None}
    below = [i for i in known if i < size / 2]  # BERT's stand at the beginning, CLIP's at the end
    return Vocabulary(
        size=size,
        start=ABSENT if ids["start"] is None else int(ids["start"]),
        end=int(ids["end"]),
        mask=ABSENT if ids["mask"] is None else int(ids["mask"]),
        pad=int(ids["end"] if ids["pad"] is None else ids["pad"]),
        ordinary=(max(below, default=-1) + 1, min(known - set(below), default=size)),
    )
