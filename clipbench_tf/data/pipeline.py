"""From records to batches: views, captions, tokens; endless, seeded, resumable anywhere."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.corrupt import CorruptTally, skip_corrupt
from clipbench_tf.data.images.image_views import ImageViews
from clipbench_tf.data.text import masking
from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.data.text.trimming import longest
from clipbench_tf.features import Batch

CaptionOp = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # captions [B], seeds [B, 2] -> [B]


class Pipeline:
    """The training batches of one split.

    Every random choice for the pair at position p of the endless stream comes from (seed, p), so
    that a pipeline begun at any position yields what an uninterrupted one would.

    Args:
        dataset: an embedded data set's name or a folder (see `sources.load`).
        tokenizer: captions -> ids.
        image_views: what becomes of a picture.
        caption_views: one operation for each text view, all on the same caption of the pair; they
            are traced as they are, without AutoGraph.
        batch_size: pairs in a global batch.
        mask_probability: of a token of text view 0 to be masked; 0 for no masked language
            modelling.
        separate_masked_view: give masked language modelling a last text view of its own. By
            default, as in the released code, view 0 is masked for every objective, which saves
            a text pass.
        trim_captions: cut ids and labels behind the longest caption of a batch, in steps of 8
            positions. It changes no result, unless an objective counts padding.
        seed: of data order, views and masks.
        shuffle_buffer: records held in memory to be mixed.
        max_corrupt_fraction: of records that may be skipped before the run ends with an error.

    Raises:
        DatasetError: if the data set or split is not there, or smaller than a batch.
    """

    def __init__(
        self,
        *,
        dataset: str,
        tokenizer: Tokenizer | HubTokenizer,
        image_views: ImageViews,
        caption_views: Sequence[CaptionOp],
        batch_size: int,
        split: str = "train",
        mask_probability: float = 0.0,
        separate_masked_view: bool = False,
        trim_captions: bool = True,
        seed: int = 0,
        shuffle_buffer: int = 16384,
        max_corrupt_fraction: float = 0.01,
    ) -> None:
        self.dataset = sources.load(dataset)
        self.split = self.dataset.split(split)
        if self.split.examples < batch_size:
            raise sources.DatasetError(
                f"Split {split!r} of {self.dataset.name} has {self.split.examples} pairs, fewer "
                f"than batch_size {batch_size}; bind a smaller batch_size."
            )
        if mask_probability > 0 and tokenizer.vocabulary.mask < 0:
            raise ValueError(
                f"mask_probability is {mask_probability}, but the tokenizer of "
                f"{tokenizer.preset!r} has no mask token; bind pipeline.Pipeline.mask_probability "
                f"= 0 and a method without text_mlm.TextMLM, or a tokenizer that has one (BERT's)."
            )
        self.tokenizer, self.batch_size, self.seed = tokenizer, batch_size, seed
        self.image_views, self.caption_views = image_views, list(caption_views)
        self.mask_probability = mask_probability
        self.separate_masked_view, self.trim_captions = separate_masked_view, trim_captions
        self.shuffle_buffer = shuffle_buffer
        self.corrupt = CorruptTally(
            f"split {split!r} of {self.dataset.name}", max_fraction=max_corrupt_fraction
        )

    @property
    def text_views(self) -> int:
        """Versions of each caption in a batch."""
        return len(self.caption_views) + bool(self.mask_probability and self.separate_masked_view)

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
            batch_size: pairs in each, where the global batch is spread over replicas.
        """
        stream = self._stream(start, worker, workers)
        examples = skip_corrupt(
            stream.map(
                lambda position, record: self._parse(position, record, worker, workers),
                num_parallel_calls=tf.data.AUTOTUNE,
            ),
            self._crop,
            self.corrupt,
        )
        return (
            examples.batch(batch_size or self.batch_size, drop_remainder=True)
            .map(self._batch, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(4)
        )

    def example(self) -> Batch:
        """Two pairs of zeros, shaped as in a batch: what `Method.build` needs. Reads no data."""
        size, length = self.image_views.size, self.tokenizer.context_length
        example: Batch = {
            "images": tf.zeros([2, len(self.image_views.views), size, size, 3], tf.uint8),
            "ids": tf.zeros([2, self.text_views, length], tf.int32),
            "position": tf.zeros([2], tf.int64),
        }
        if self.mask_probability > 0:
            example["mlm_labels"] = tf.zeros([2, length], tf.int32)
        return example

    def keys(self, positions: np.ndarray, *, worker: int = 0, workers: int = 1) -> list[str]:
        """The keys of the records at `positions`, ascending, of the stream of `worker`."""
        stream = self._stream(int(positions[0]), worker, workers)
        wanted = {int(position) for position in positions}
        records = stream.take(int(positions[-1] - positions[0]) + 1).as_numpy_iterator()
        return [
            sources.parse(record)["key"].numpy().decode("utf-8", "backslashreplace")
            for position, record in records
            if int(position) in wanted
        ]

    def _stream(self, start: int, worker: int, workers: int) -> tf.data.Dataset:
        return sources.shuffled_stream(
            self.split,
            seed=self.seed,
            start=start,
            worker=worker,
            workers=workers,
            buffer=self.shuffle_buffer,
        )

    @tf.autograph.experimental.do_not_convert
    def _parse(
        self, position: tf.Tensor, record: tf.Tensor, worker: int, workers: int
    ) -> dict[str, tf.Tensor]:
        """One record, its seed, and the caption that this epoch picked."""
        fields = sources.parse(record)
        # Every draw of every worker has a seed of its own.
        seed = fold_in(tf.constant([self.seed, 0xDA7A]), position * workers + worker)
        captions = fields["captions"]
        count = tf.size(captions)
        pick = tf.random.stateless_uniform([], seed, 0, tf.maximum(count, 1), tf.int32)
        return {
            "key": fields["key"],
            # A record without a caption is none to train on, like one without a picture.
            "image": tf.where(count > 0, fields["image"], ""),
            "caption": tf.concat([captions, [""]], axis=0)[pick],
            "seed": seed,
            "position": position,
        }

    @tf.autograph.experimental.do_not_convert
    def _crop(self, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Decodes the picture into one crop for each view. Fails for a corrupt one."""
        example = dict(example)
        example["crops"] = self.image_views.crop(example.pop("image"), example["seed"])
        return example

    @tf.autograph.experimental.do_not_convert
    def _batch(self, examples: dict[str, tf.Tensor]) -> Batch:
        """Colours, caption operations, tokens and masks, for a batch at a time."""
        images = self.image_views.color(examples["crops"], examples["seed"])
        captions, seeds = examples["caption"], examples["seed"]
        # An operation that makes several views has other seeds for each.
        repeats = [self.caption_views[:i].count(op) for i, op in enumerate(self.caption_views)]
        texts = [
            op(captions, seeds + tf.constant([0, n]))
            for op, n in zip(self.caption_views, repeats, strict=True)
        ]
        ids = self.tokenizer(tf.concat(texts, axis=0))
        if self.trim_captions:
            ids = ids[:, : longest(ids, multiple=8, end=self.tokenizer.vocabulary.end)]
        ids = tf.unstack(tf.reshape(ids, [len(texts), captions.shape[0], -1]), num=len(texts))
        batch: Batch = {"images": images, "position": examples["position"]}
        if self.mask_probability > 0:
            masked, batch["mlm_labels"] = masking.mask_tokens(
                ids[0], seeds, self.mask_probability, self.tokenizer.vocabulary
            )
            ids = [*ids, masked] if self.separate_masked_view else [masked, *ids[1:]]
        batch["ids"] = tf.stack(ids, axis=1)
        return batch


def fold_in(seed: tf.Tensor, data: tf.Tensor | int) -> tf.Tensor:
    """A seed int32 [2] made from `seed` and a number, as good as new."""
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(data, seed.dtype))
