"""InfoNCE (van den Oord et al. 2018): classify each item's partner among the global batch."""

import tensorflow as tf

from clipbench_tf.distribution import replicas


def targets(batch: tf.Tensor) -> tf.Tensor:
    """int32 [B]: the indices of this replica's B pairs in the gathered batch."""
    return tf.range(batch) + replicas.rank() * batch


def cross_entropy(logits: tf.Tensor) -> tf.Tensor:
    """Mean over rows of -log softmax at the row's own pair; logits float32 [B, replicas * B]."""
    labels = targets(tf.shape(logits)[0])
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def info_nce(queries: tf.Tensor, keys: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Equation 1 in one direction: this replica's `queries` against the `keys` of all replicas.

    Args:
        queries: [B, E], unit length.
        keys: [B, E], unit length; row i is the partner of query i.
        scale: 1 / temperature.

    Returns:
        float32 scalar, mean over the B queries; log(replicas * B) if all embeddings are equal.
    """
    return cross_entropy(scale * tf.matmul(queries, replicas.gather(keys), transpose_b=True))


def symmetric_info_nce(images: tf.Tensor, texts: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Equation 2: the mean of image-to-text and text-to-image InfoNCE. Shapes as `info_nce`."""
    return 0.5 * (info_nce(images, texts, scale) + info_nce(texts, images, scale))
