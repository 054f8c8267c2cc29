"""From records to batches: views, captions, tokens; endless, seeded, resumable at any position."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data import sources, stream
from clipbench_tf.data.batching import Batching, CaptionOp
from clipbench_tf.data.corrupt import CorruptTally
from clipbench_tf.data.images.image_views import ImageViews
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.reader import CheckedReader
from clipbench_tf.data.selection import Selection, evenly_spread
from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.distribution import cluster


class Pipeline(Batching):
    """The training batches of one split.

    Every random choice for the pair at position p of the endless stream comes from (seed, p), so
    that a pipeline started at any position yields what an uninterrupted one would.

    Args:
        dataset: the pairs, in one of the forms of `sources.load`; several sources with their
            weights make a mixture, as in {'data/cc3m': 1, 'pets.csv': 2}.
        tokenizer: captions -> ids.
        image_views: draws V views of a picture.
        caption_views: one operation for each text view, all on the same caption of the pair; they
            are traced without AutoGraph.
        batch_size: pairs in a global batch.
        split: the part of the data set to train on.
        examples: how many of its pairs, at equal distances in their order; all by default. So data
            sets of different sizes can be compared pair for pair, or one at several sizes.
        mask_probability: probability that a token of text view 0 is selected for masked language
            modelling; 0 turns it off.
        separate_masked_view: put the masked ids of view 0 into a further, last text view. By
            default, as in the released code, view 0 is masked for every objective, which saves
            a text pass.
        trim_captions: trim ids and labels to the longest caption of a batch, rounded up to a
            multiple of 8 positions. It changes no result, unless an objective counts padding.
        seed: random seed of data order, views and masks.
        shuffle_buffer: number of records in memory; half of them are shuffled together.
        max_corrupt_fraction: largest fraction of records that may be skipped before the run ends.

    Raises:
        DatasetError: if the data set or split is missing, has not all its files, or is smaller than
            a batch or than `examples`.
        ValueError: if `mask_probability` is above 0 and `tokenizer` has no mask token.
    """

    def __init__(
        self,
        *,
        dataset: str | Mapping[str, int],
        tokenizer: Tokenizer | HubTokenizer,
        image_views: ImageViews,
        caption_views: Sequence[CaptionOp],
        batch_size: int,
        split: str = "train",
        examples: int | None = None,
        mask_probability: float = 0.0,
        separate_masked_view: bool = False,
        trim_captions: bool = True,
        seed: int = 0,
        shuffle_buffer: int = 16384,
        max_corrupt_fraction: float = 0.01,
    ) -> None:
        self.dataset = sources.load(dataset)
        self.split_name, self.split = split, self.dataset.split(split)
        for name, least in (("batch_size", batch_size), ("examples", examples or 0)):
            if self.split.examples < least:
                raise sources.DatasetError(
                    f"Split {split!r} of {self.dataset.name} has {self.split.examples} pairs, "
                    f"fewer than {name} {least}; bind a smaller {name}."
                )
        if examples is not None and examples < batch_size:
            raise ValueError(
                f"pipeline.Pipeline.examples is {examples}, less than batch_size {batch_size}."
            )
        workers = cluster.read()
        if isinstance(self.split, CheckedReader) and (workers is None or workers.index == 0):
            self.split.check()
        if examples is not None and examples < self.split.examples:
            self.split = Selection(self.split, evenly_spread(self.split.examples, examples))
        super().__init__(
            tokenizer=tokenizer,
            image_views=image_views,
            caption_views=caption_views,
            mask_probability=mask_probability,
            separate_masked_view=separate_masked_view,
            trim_captions=trim_captions,
            seed=seed,
        )
        self.batch_size = batch_size
        self.shuffle_buffer = shuffle_buffer
        self.corrupt = CorruptTally(
            f"split {split!r} of {self.dataset.name}", max_fraction=max_corrupt_fraction
        )

    @property
    def steps_per_epoch(self) -> float:
        """Batches in one pass over the split."""
        return self.split.examples / self.batch_size

    def batches(
        self,
        start: int = 0,
        *,
        worker: int = 0,
        workers: int = 1,
        batch_size: int | None = None,
    ) -> tf.data.Dataset:
        """Endless `Batch`es from position `start` of the stream of `worker` among `workers`.

        Args:
            batch_size: pairs in each; by default those of a global batch.
        """
        examples = self._stream(start, worker, workers).map(
            lambda position, record: self._parse(position, record, worker, workers),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        return self._batched(examples, batch_size or self.batch_size, self.corrupt)

    def keys(self, positions: np.ndarray, *, worker: int = 0, workers: int = 1) -> list[str]:
        """The keys of the records at the ascending `positions` [N] of the stream of `worker`."""
        found = self._stream(int(positions[0]), worker, workers)
        wanted = {int(position) for position in positions}
        records = found.take(int(positions[-1] - positions[0]) + 1).as_numpy_iterator()
        return [Pair.of(record).key for position, record in records if int(position) in wanted]

    def _stream(self, start: int, worker: int, workers: int) -> tf.data.Dataset:
        return stream.shuffled_stream(
            self.split,
            seed=self.seed,
            start=start,
            worker=worker,
            workers=workers,
            buffer=self.shuffle_buffer,
            failed=self.corrupt.unreadable,
        )

    @tf.autograph.experimental.do_not_convert
    def _parse(
        self, position: tf.Tensor, record: tf.Tensor, worker: int, workers: int
    ) -> dict[str, tf.Tensor]:
        """Parses one record, derives its seed, and picks one of its captions by it."""
        fields = sources.parse(record)
        # Every position of every worker has its own seed.
        seed = self._seed(position * workers + worker)
        captions = fields["captions"]
        count = tf.size(captions)
        pick = tf.random.stateless_uniform([], seed, 0, tf.maximum(count, 1), tf.int32)
        return {
            "key": tf.where(
                fields["problem"] == "",
                fields["key"],
                tf.strings.join([fields["key"], " (", fields["problem"], ")"]),
            ),
            # A record without captions counts as corrupt: an empty picture cannot be decoded.
            "image": tf.where(count > 0, fields["image"], ""),
            "caption": tf.concat([captions, [""]], axis=0)[pick],
            "seed": seed,
            "position": position,
        }
