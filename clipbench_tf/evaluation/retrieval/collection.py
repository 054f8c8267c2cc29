"""The distinct pictures and captions of a split, and which belong together."""

import dataclasses
import hashlib
from array import array
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.text.cleaning import clean
from clipbench_tf.evaluation.encoders import Encoders
from clipbench_tf.evaluation.retrieval.store import Store

_CORRUPT = -1  # in place of the number of a picture


@dataclasses.dataclass
class Collection:
    """What was read of a split: N distinct pictures, M distinct captions.

    Attributes:
        pictures: representations of the N pictures.
        places: of each picture, the number of the first record that has it.
        captions: the M captions, cleaned, and their numbers.
        pairs: picture, caption, picture, caption, ...: those that belong together.
        records: number of records read.
        caption_count: captions in the records that are scored, repeated ones included.
        corrupt: records whose picture cannot be read or decoded.
        uncaptioned: records without a caption.
    """

    pictures: Store
    places: list[int] = dataclasses.field(default_factory=list)
    captions: dict[str, int] = dataclasses.field(default_factory=dict)
    pairs: array = dataclasses.field(default_factory=lambda: array("q"))
    records: int = 0
    caption_count: int = 0
    corrupt: int = 0
    uncaptioned: int = 0

    def right_pairs(self) -> np.ndarray:
        """`pairs` as int64 [R, 2], each once."""
        return np.unique(np.array(self.pairs, np.int64).reshape(-1, 2), axis=0)


def collect(batches: Iterator[np.ndarray], encoders: Encoders, pictures: Store) -> Collection:
    """Reads all records, and encodes each distinct picture once into `pictures`.

    Args:
        batches: serialised records (see `Pair`), object [B].
        encoders: the model.
        pictures: an empty store.
    """
    found, known = Collection(pictures), dict[bytes, int]()  # known: numbers by digest
    for records in batches:
        fresh: dict[bytes, tuple[int, bytes]] = {}
        texts: list[tuple[bytes, list[str]]] = []
        for record in records:
            place, found.records = found.records, found.records + 1
            pair = Pair.of(record)
            captions = [text for text in map(clean, pair.captions) if text]
            if pair.problem and pair.problem != "no caption":
                found.corrupt += 1
            elif not captions:
                found.uncaptioned += 1
            else:
                digest = hashlib.blake2b(pair.image, digest_size=16).digest()
                texts.append((digest, captions))
                if digest not in known:
                    fresh.setdefault(digest, (place, pair.image))
        _encode(fresh, known, found, encoders)
        for digest, captions in texts:
            _join(found, known[digest], captions)
    return found


def _encode(
    fresh: dict[bytes, tuple[int, bytes]],
    known: dict[bytes, int],
    found: Collection,
    encoders: Encoders,
) -> None:
    """Encodes the pictures `fresh`, (place, bytes) by digest, and makes them `known`."""
    if not fresh:
        return
    encoded = tf.constant([image for _, image in fresh.values()], tf.string)
    representation, valid = encoders.represent_images(encoded)
    found.pictures.add(
        {name: tf.boolean_mask(value, valid) for name, value in representation.items()}
    )
    for (digest, (place, _)), good in zip(fresh.items(), valid.numpy(), strict=True):
        known[digest] = len(found.places) if good else _CORRUPT
        if good:
            found.places.append(place)


def _join(found: Collection, picture: int, captions: Sequence[str]) -> None:
    if picture == _CORRUPT:
        found.corrupt += 1
        return
    found.caption_count += len(captions)
    for text in captions:
        caption = found.captions.setdefault(text, len(found.captions))
        found.pairs.extend((picture, caption))
