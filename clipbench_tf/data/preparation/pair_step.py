"""What becomes of one pair: a record to keep, or the reason why it is dropped."""

import hashlib
from collections import Counter
from typing import NamedTuple

import tensorflow as tf

from clipbench_tf.data.preparation import pictures
from clipbench_tf.data.preparation.filters import clean_and_filter
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.readers.pair import Pair

NO_CAPTION = "no caption"
REPEATED = "same caption twice in a pair"
SOURCE_HASH = "source_hash"  # feature: of the picture as it was found first
SCHEMA = {
    "key": "bytes: the name of the pair in its source, UTF-8",
    "image": "bytes: encoded picture, as found or a smaller JPEG",
    "captions": "bytes, one or more: cleaned captions, UTF-8",
    "label": "int64: number of the class, or -1",
    SOURCE_HASH: "bytes: BLAKE2b (16 bytes) of the picture before any change of its size",
}


class Kept(NamedTuple):
    """A pair that stays, unless it is a duplicate."""

    record: bytes
    key_hash: bytes
    picture_hash: bytes
    captions_hash: bytes


def process(record: bytes, options: Options, captions: Counter[str]) -> Kept | tuple[str, str]:
    """Cleans and checks a pair: its captions first, as that takes less time than its picture.

    Args:
        record: of a `Pair`, as a reader gives it.
        options: of the preparation.
        captions: to be added to: captions by reason why they are dropped; "" for those kept.

    Returns: the pair, or its key and why it is dropped.
    """
    pair = Pair.of(record)
    if pair.problem:
        return pair.key, pair.problem
    texts, reasons = _captions(pair, options)
    captions.update(reasons)
    if not texts:
        return pair.key, reasons[0] if reasons else NO_CAPTION
    picture = pictures.prepare(pair.image, size=options.size, smallest=options.smallest)
    if isinstance(picture, pictures.Drop):
        captions[str(picture)] += len(texts)
        captions[""] -= len(texts)
        return pair.key, str(picture)
    picture_hash = source_hash(record, pair)
    return Kept(
        _record(pair, picture, texts, picture_hash),
        digest(pair.key.encode("utf-8", "replace")),
        picture_hash,
        digest("\0".join(texts).encode("utf-8")),
    )


def digest(data: bytes) -> bytes:
    """16 bytes that two different contents do not share."""
    return hashlib.blake2b(data, digest_size=16).digest()


def source_hash(record: bytes, pair: Pair) -> bytes:
    """Of the picture as it was found first, before an earlier preparation made it smaller."""
    feature = tf.train.Example.FromString(record).features.feature
    known = feature[SOURCE_HASH].bytes_list.value if SOURCE_HASH in feature else ()
    return known[0] if known and len(known[0]) == 16 else digest(pair.image)


def _captions(pair: Pair, options: Options) -> tuple[list[str], list[str]]:
    """The captions that stay, cleaned; and of each caption why it is dropped, or ""."""
    texts: list[str] = []
    reasons = []
    for text in pair.captions:
        caption, reason = clean_and_filter(text, options.rules)
        reasons.append(reason or (REPEATED if caption in texts else ""))
        if not reasons[-1]:
            texts.append(caption)
    return texts, reasons


def _record(pair: Pair, picture: bytes, captions: list[str], picture_hash: bytes) -> bytes:
    """The same bytes in every process, unlike those of `Pair.serialize`."""
    values = {
        "key": [pair.key.encode("utf-8", "replace")],
        "image": [picture],
        "captions": [caption.encode("utf-8") for caption in captions],
        SOURCE_HASH: [picture_hash],
    }
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
        for name, value in values.items()
    }
    feature["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[pair.label]))
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return bytes(example.SerializeToString(deterministic=True))
