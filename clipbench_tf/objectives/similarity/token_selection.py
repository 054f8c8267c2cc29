"""FILIP's selection of the tokens of a picture or a text that are gathered on all replicas."""

import tensorflow as tf


def batch_scores(
    images: tf.Tensor, texts: tf.Tensor, text_mask: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Each token's highest cosine to any token of the other modality in this replica's batch.

    Section 3.3: "the highest token-wise maximum similarity score among all texts (resp.
    images) in the same local worker".

    Args:
        images: [B, P, D], unit length; cosines are computed in its dtype.
        texts: [B, L, D], unit length, of the same dtype.
        text_mask: bool [B, L].

    Returns:
        float32 [B, P] and [B, L], without gradient.
    """
    words = tf.stop_gradient(tf.reshape(texts, [-1, texts.shape[-1]]))
    # -4 puts masked words below every cosine.
    bias = tf.cast(tf.where(tf.reshape(text_mask, [-1]), 0.0, -4.0), images.dtype)

    def one_image(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        cosines = tf.matmul(image, words, transpose_b=True)
        return tf.reduce_max(cosines + bias, axis=1), tf.reduce_max(cosines, axis=0)

    # One picture at a time: all cosines at once would be B^2 P L numbers.
    of_patches, of_words = tf.map_fn(
        one_image,
        tf.stop_gradient(images),
        fn_output_signature=(images.dtype, images.dtype),
    )
    of_words = tf.reshape(tf.reduce_max(of_words, axis=0), tf.shape(text_mask))
    return tf.cast(of_patches, tf.float32), tf.cast(of_words, tf.float32)


def own_pair_scores(
    images: tf.Tensor, texts: tf.Tensor, text_mask: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Each token's sum of cosines to the tokens of its own partner, as in the released code.

    Shapes as in `batch_scores`.
    """
    images = tf.cast(tf.stop_gradient(images), tf.float32)
    texts = tf.cast(tf.stop_gradient(texts), tf.float32)
    words = tf.cast(text_mask, tf.float32)[..., tf.newaxis]
    of_patches = tf.einsum("bpd,bd->bp", images, tf.reduce_sum(words * texts, axis=1))
    return of_patches, tf.einsum("bld,bd->bl", texts, tf.reduce_sum(images, axis=1))


def keep_best(
    tokens: tf.Tensor, mask: tf.Tensor, scores: tf.Tensor, share: float, count: int | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """The tokens with the highest scores, padded to the same number, and their mask.

    Args:
        tokens: [B, N, D].
        mask: bool [B, N], true for tokens that may be kept.
        scores: float32 [B, N].
        share: fraction of an item's own tokens to keep, rounded up.
        count: number of tokens to keep instead, at most those an item has; or None.

    Returns:
        [B, K, D] and bool [B, K], where K is the number that an item with N tokens keeps.
    """

    def kept(available: tf.Tensor) -> tf.Tensor:
        if count is not None:
            return tf.minimum(count, available)
        # In float32 0.6 * 25 is a little above 15: without the 1e-4 it would become 16.
        return tf.cast(tf.math.ceil(share * tf.cast(available, tf.float32) - 1e-4), tf.int32)

    places = kept(tf.shape(tokens)[1])
    best = tf.math.top_k(tf.where(mask, scores, tf.float32.min), places).indices
    filled = kept(tf.reduce_sum(tf.cast(mask, tf.int32), axis=1))
    # By a product: the gradient of a gather would be a scatter, slow on a GPU.
    taken = tf.one_hot(best, tf.shape(tokens)[1], dtype=tokens.dtype)
    return tf.matmul(taken, tokens), tf.sequence_mask(filled, places)
