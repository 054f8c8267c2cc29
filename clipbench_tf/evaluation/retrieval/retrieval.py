"""Retrieval: does a picture find its captions among all, and a caption its pictures?"""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.images.decoding import FORMATS
from clipbench_tf.data.selection import Selection, evenly_spread
from clipbench_tf.evaluation.encoders import Encoders, Representation
from clipbench_tf.evaluation.retrieval.collection import Collection, collect
from clipbench_tf.evaluation.retrieval.ranks import Ranks, joined, ranks
from clipbench_tf.evaluation.retrieval.retrieval_result import TOP, RetrievalResult
from clipbench_tf.evaluation.retrieval.store import Store

ROWS = 2**26  # bytes of scores in memory: those of some queries for all items
Told = Callable[[str, int, int], None]


class Retrieval:
    """Retrieval in both directions by the model's own similarity, exact, on one split.

    Each picture ranks all captions, and each caption all pictures. With late interaction the former
    is by sim^I of equation 4, the latter by sim^T.

    Pictures of equal bytes are one item, and so are captions of equal text after cleaning
    (`cleaning.clean`); a picture and a caption that some record has together are a right pair. A
    query finds at k if any of its right items is among the first k, with ties in expectation
    (`Ranks`): constant scores get exactly chance. Records without caption, and pictures that cannot
    be decoded, are left out with their captions, and counted.

    Memory, besides the model's and one batch's: twice `memory` bytes of representations, `ROWS`
    bytes of scores, some blocks of 16 MiB, and for each picture and caption some hundred bytes
    (digest, text, rank). Representations beyond that lie in a temporary file: 4 E bytes an item for
    a cosine in E dimensions; with late interaction, in D dimensions, 4 D P a picture of P patches
    and 4 D L a caption of L tokens.

    Args:
        encoders: the model, in memory or loaded.
        dataset: has the pictures and their captions.
        split: the name of the split.
        batch_size: pictures encoded together.
        text_batch: captions encoded together.
        at_most: number of records to read, at equal distances; all by default.
        memory: bytes of pictures' representations, and as many of captions', kept in memory.
        told: is told how far it is: what is counted, how many are done, and of how many.

    Raises:
        DatasetError: for a split that does not exist.
        ValueError: for an `at_most` below 1.
    """

    def __init__(
        self,
        encoders: Encoders,
        dataset: sources.Dataset,
        *,
        split: str = "test",
        batch_size: int = 128,
        text_batch: int = 512,
        at_most: int | None = None,
        memory: int = 2**30,
        told: Told = lambda what, done, total: None,
    ) -> None:
        self.encoders, self.dataset, self.split = encoders, dataset, split
        self.batch_size, self.text_batch, self.memory = batch_size, text_batch, memory
        reader = dataset.split(split)
        self._places = evenly_spread(reader.examples, at_most)
        self._reader, self._told = Selection(reader, self._places), told

    def run(self) -> Iterator[tuple[str, float]]:
        """Yields (name, value), e.g. ("retrieval/test/image_to_text_r1", 0.31)."""
        result = self.results()
        for direction, found in result.directions().items():
            name = f"retrieval/{self.split}/{direction}"
            for k in TOP:
                yield f"{name}_r{k}", found.recall(k)
            yield f"{name}_median_rank", found.median()

    def results(self) -> RetrievalResult:
        """Encodes the split with the model's present weights and ranks it in both directions.

        Raises:
            DatasetError: if the split cannot be read, or has no picture with a caption.
            StoreError: if there is no room for the temporary file.
        """
        pictures, texts = Store(self.memory), Store(self.memory)
        try:
            found = self._collect(pictures)
            # Similar lengths together: a batch of captions is encoded at the length of its longest.
            order = np.argsort([len(text) for text in found.captions], kind="stable")
            self._encode_texts(texts, np.array(list(found.captions), object)[order])
            inverse = np.argsort(order)
            pairs = found.right_pairs()
            pairs[:, 1] = inverse[pairs[:, 1]]
            to_text = _ranked(pictures, texts, self.encoders.score, pairs)
            to_image = _ranked(texts, pictures, self.encoders.score_texts, pairs[:, ::-1])
        finally:
            pictures.close()
            texts.close()
        return RetrievalResult(
            split=self.split,
            records=found.records,
            places=self._places[np.array(found.places, np.int64)],
            captions=tuple(found.captions),
            caption_count=found.caption_count,
            corrupt=found.corrupt,
            uncaptioned=found.uncaptioned,
            image_to_text=to_text,
            text_to_image=to_image.reordered(inverse),
        )

    def _collect(self, pictures: Store) -> Collection:
        with sources.explained(self.dataset.name) as failed:
            stop = threading.Event()
            records = sources.records(self._reader, failed=failed, stopped=stop.is_set)
            batches = records.batch(self.batch_size).prefetch(2)
            with sources.iterated(batches, stop) as left:
                found = collect(self._counted(left), self.encoders, pictures)
        if not found.places:
            raise sources.DatasetError(
                f"Split {self.split} of data set {self.dataset.name} has no picture with a caption "
                f"({found.records} records, {found.corrupt} that cannot be decoded as {FORMATS}, "
                f"{found.uncaptioned} without caption); choose another split."
            )
        return found

    def _counted(self, batches: Iterator[tf.Tensor]) -> Iterator[np.ndarray]:
        done = 0
        for batch in batches:
            yield batch.numpy()
            done += len(batch)
            self._told(f"{self.split} pictures", done, len(self._places))

    def _encode_texts(self, texts: Store, captions: np.ndarray) -> None:
        for start in range(0, len(captions), self.text_batch):
            batch = captions[start : start + self.text_batch, np.newaxis]
            texts.add(self.encoders.represent_classes(tf.constant(batch, tf.string)))
            self._told(f"{self.split} captions", start + len(batch), len(captions))


def _ranked(
    queries: Store,
    items: Store,
    score: Callable[[Representation, Representation], tf.Tensor],
    pairs: np.ndarray,
) -> Ranks:
    """The ranks of all queries among all items; `pairs` is int64 [R, 2] (query, item)."""
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    count, start, parts = len(items), 0, []
    for some in queries.slices(max(1, ROWS // (4 * count))):
        end = start + int(next(iter(some.values())).shape[0])
        scores, first = np.empty([end - start, count], np.float32), 0
        for block in items.blocks():
            columns = score(some, block).numpy()
            scores[:, first : first + columns.shape[1]] = columns
            first += columns.shape[1]
        own = slice(*np.searchsorted(pairs[:, 0], [start, end]))
        parts.append(ranks(scores, pairs[own] - [start, 0]))
        start = end
    return joined(parts)
