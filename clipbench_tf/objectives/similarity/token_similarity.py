"""FILIP's token-wise maximum similarity, equation 4 (Yao et al. 2021)."""

import tensorflow as tf


def token_similarity(
    queries: tf.Tensor, query_mask: tf.Tensor, keys: tf.Tensor, key_mask: tf.Tensor
) -> tf.Tensor:
    """The mean over a query item's tokens of the highest cosine to a token of each key item.

    This is sim^I of equation 4 with pictures as queries, and sim^T (transposed) with texts as
    queries. An item without tokens has similarity 0 to all.

    Args:
        queries: [N, n, D], unit length; cosines are computed in their dtype.
        query_mask: bool [N, n], true for tokens that count.
        keys: [M, m, D], unit length.
        key_mask: bool [M, m], true for tokens that count.

    Returns:
        float32 [N, M].
    """
    n, m, width = tf.shape(queries)[1], tf.shape(keys)[1], queries.shape[-1]
    keys = tf.cast(with_repeats(keys, key_mask), queries.dtype)
    # Tokens before items in the layout: the maximum below then runs along whole rows.
    by_token = tf.reshape(tf.transpose(keys, [1, 0, 2]), [-1, width])
    cosines = tf.matmul(tf.reshape(queries, [-1, width]), by_token, transpose_b=True)
    best = tf.reduce_max(tf.reshape(cosines, [-1, m, tf.shape(keys)[0]]), axis=1)
    best = tf.cast(tf.reshape(best, [-1, n, tf.shape(keys)[0]]), tf.float32)
    best = tf.where(tf.reduce_any(key_mask, axis=-1), best, 0.0)
    return tf.einsum("nqm,nq->nm", best, shares(query_mask))


def shares(mask: tf.Tensor) -> tf.Tensor:
    """float32 [N, n]: the weight of each token in its item's mean; 0 for masked tokens."""
    counted = tf.cast(mask, tf.float32)
    return tf.math.divide_no_nan(counted, tf.reduce_sum(counted, axis=1, keepdims=True))


def with_repeats(tokens: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`tokens` [M, m, D] with masked tokens replaced by the first valid token of their item.

    Repeats do not change a maximum, and this is far cheaper than masking all cosines. The first
    token is taken by a product: the gradient of a gather would be a scatter, slow on a GPU.
    """
    first = tf.argmax(tf.cast(mask, tf.int32), axis=1, output_type=tf.int32)
    taken = tf.one_hot(first[:, tf.newaxis], tf.shape(mask)[1], dtype=tokens.dtype)
    return tf.where(mask[..., tf.newaxis], tokens, tf.matmul(taken, tokens))
