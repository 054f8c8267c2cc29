"""The sizes of one replica's part of a training step."""

import dataclasses

from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.method import Method
from clipbench_tf.models.layers.batch_norm import BatchNorm, keeps_bfloat16
from clipbench_tf.optimization import gradient_cache

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """The sizes that all costs depend on, beside those of the layers.

    Attributes:
        batch: pairs on this replica.
        replicas: number that share the global batch.
        image_views: number of views of each picture.
        text_views: number of views of each caption.
        text_length: positions of a caption as the tower gets it, padding included.
        text_positions: of these, the mean number that is computed; less than `text_length` where
            the padding is left out.
        masked: mean number of tokens that masked language modelling predicts on this replica.
        dtype: in which the towers compute.
        chunks: parts in which the batch is encoded.
        recompute_images: whether the image tower saves only its blocks' inputs.
        recompute_texts: the same for the text tower.
    """

    batch: int
    replicas: int = 1
    image_views: int = 1
    text_views: int = 1
    text_length: int = 77
    text_positions: float = 77.0
    masked: float = 0.0
    dtype: str = "float32"
    chunks: int = 1
    recompute_images: bool = False
    recompute_texts: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of a number of `dtype`."""
        return _BYTES[self.dtype]

    def norm_bytes(self, norm: BatchNorm, channels: int) -> int:
        """Bytes of each value that `norm` keeps of its input, with so many channels.

        A norm that exchanges statistics with other replicas keeps float32.
        """
        alone = self.replicas == 1 or not norm.synchronized
        narrow = alone and keeps_bfloat16(self.dtype, channels)
        return self.bytes if narrow else _BYTES["float32"]

    @property
    def gathered(self) -> int:
        """Pairs in the global batch."""
        return self.batch * self.replicas

    @property
    def mixed(self) -> bool:
        """Whether weights, kept in float32, are used in a lower precision."""
        return self.bytes < 4


def workload(
    method: Method, pipeline: Pipeline, *, replicas: int, text_length: int, caption_tokens: float
) -> Workload:
    """The workload of each of `replicas` that share the global batch of `pipeline`.

    Args:
        text_length: positions of a caption after trimming.
        caption_tokens: mean number of tokens of a caption between start and end.

    Raises:
        ValueError: if the global batch is not divisible by `replicas`, or a replica's by `chunks`.
    """
    if replicas < 1:
        raise ValueError(f"--devices is {replicas}; it must be at least 1.")
    batch, rest = divmod(pipeline.batch_size, replicas)
    if rest or not batch:
        fitting = [n for n in range(1, replicas) if pipeline.batch_size % n == 0][-1]
        raise ValueError(
            f"The batch of {pipeline.batch_size} pairs is not divisible by {replicas} "
            f"devices; give --devices={fitting}, or bind pipeline.Pipeline.batch_size = "
            f"{max(1, batch) * replicas}."
        )
    gradient_cache.check_divides(batch, method.chunks)
    return Workload(
        batch=batch,
        replicas=replicas,
        image_views=len(pipeline.image_views.views),
        text_views=pipeline.text_views,
        text_length=text_length,
        text_positions=min(caption_tokens + 2, text_length) if method.packs_texts else text_length,
        masked=batch * pipeline.mask_probability * min(caption_tokens, text_length),
        dtype=method.compute_dtype,
        chunks=method.chunks,
        recompute_images=recomputes(method.image_encoder),
        recompute_texts=recomputes(method.text_encoder),
    )


def recomputes(encoder: object) -> bool:
    """Whether a tower is a transformer that recomputes its blocks."""
    return bool(getattr(getattr(encoder, "transformer", None), "recompute", False))
