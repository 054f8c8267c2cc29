"""From pairs to batches: views of the picture, versions of the caption, tokens, masks."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from clipbench_tf.data.corrupt import CorruptTally, skip_corrupt
from clipbench_tf.data.images.image_views import ImageViews
from clipbench_tf.data.text import masking
from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.data.text.trimming import longest
from clipbench_tf.features import Batch

CaptionOp = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # captions [B], seeds [B, 2] -> [B]


class Batching:
    """Turns pairs of a picture and a caption into batches.

    Every random choice for the pair at position p comes from (seed, p).

    The arguments are those of `Pipeline`, which adds the source of the pairs.

    Raises:
        ValueError: if `mask_probability` is above 0 and `tokenizer` has no mask token.
    """

    def __init__(
        self,
        *,
        tokenizer: Tokenizer | HubTokenizer,
        image_views: ImageViews,
        caption_views: Sequence[CaptionOp],
        mask_probability: float = 0.0,
        separate_masked_view: bool = False,
        trim_captions: bool = True,
        seed: int = 0,
    ) -> None:
        if not isinstance(caption_views, Sequence) or not caption_views:
            raise ValueError(
                "caption_views must be a list of at least one operation, such as "
                "[caption_ops.plain]."
            )
        if mask_probability > 0 and tokenizer.vocabulary.mask < 0:
            raise ValueError(
                f"mask_probability is {mask_probability}, but the tokenizer of "
                f"{tokenizer.preset!r} has no mask token; bind pipeline.Pipeline.mask_probability "
                f"= 0 and a method without text_mlm.TextMLM, or a tokenizer that has one (BERT's)."
            )
        self.tokenizer, self.seed = tokenizer, seed
        self.image_views, self.caption_views = image_views, list(caption_views)
        self.mask_probability = mask_probability
        self.separate_masked_view, self.trim_captions = separate_masked_view, trim_captions

    @property
    def text_views(self) -> int:
        """Number of text views T of each caption in a batch."""
        return len(self.caption_views) + bool(self.mask_probability and self.separate_masked_view)

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

    def batches_of(self, pairs: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
        """`Batch`es of `pairs`, in their order; a last incomplete batch is dropped.

        Positions count the pairs from 0, so each pass of `pairs.repeat()` draws new views. Pairs
        whose picture cannot be decoded are skipped, with a warning, up to 1%.

        Args:
            pairs: of (encoded picture, caption), two scalar strings.
            batch_size: pairs in a batch.

        Raises:
            ValueError: if `pairs` has other elements, or fewer than `batch_size`.
        """
        spec = tf.nest.map_structure(lambda s: (s.dtype, s.shape.rank), pairs.element_spec)
        if spec != ((tf.string, 0), (tf.string, 0)):
            raise ValueError(
                f"The data set of pairs must have elements (encoded picture, caption), two scalar "
                f"strings; it has {pairs.element_spec}."
            )

        if 0 <= (count := int(pairs.cardinality())) < batch_size:
            raise ValueError(
                f"The data set has {count} pairs, fewer than a batch of {batch_size}; repeat() it, "
                f"or choose a smaller batch_size."
            )

        @tf.autograph.experimental.do_not_convert
        def example(position: tf.Tensor, pair: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {
                "key": tf.strings.as_string(position),
                "image": pair[0],
                "caption": pair[1],
                "seed": self._seed(position),
                "position": position,
            }

        return self._batched(pairs.enumerate().map(example), batch_size, CorruptTally("the pairs"))

    def _seed(self, number: tf.Tensor) -> tf.Tensor:
        """int32 [2], the seed of the pair `number`."""
        base = tf.constant([self.seed, 0xDA7A])
        return tf.random.experimental.stateless_fold_in(base, tf.cast(number, base.dtype))

    def _batched(
        self, examples: tf.data.Dataset, batch_size: int, corrupt: CorruptTally
    ) -> tf.data.Dataset:
        """Batches of `examples`: dicts of key, image, caption, seed, position."""
        return (
            skip_corrupt(examples, self._crop, corrupt)
            .batch(batch_size, drop_remainder=True)
            .map(self._batch, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(4)
        )

    @tf.autograph.experimental.do_not_convert
    def _crop(self, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Decodes the picture and crops it for each view. The ops fail for a corrupt one."""
        example = dict(example)
        example["crops"] = self.image_views.crop(example.pop("image"), example["seed"])
        return example

    @tf.autograph.experimental.do_not_convert
    def _batch(self, examples: dict[str, tf.Tensor]) -> Batch:
        """Applies colour and caption operations, tokenizes and masks, a batch at a time."""
        images = self.image_views.color(examples["crops"], examples["seed"])
        captions, seeds = examples["caption"], examples["seed"]
        # An operation that makes several views gets a different seed for each.
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
