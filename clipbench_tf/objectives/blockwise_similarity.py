"""Equation 4 for training: compiled with XLA, in blocks, with a gradient of its own."""

import tensorflow as tf

from clipbench_tf.objectives.token_similarity import shares, with_repeats

BLOCK = 2**23  # cosines held at a time, however many items there are

_compiled = tf.function(jit_compile=True, autograph=False, reduce_retracing=True)


def one_way(
    queries: tf.Tensor,
    query_mask: tf.Tensor,
    keys: tf.Tensor,
    key_mask: tf.Tensor,
    block: int = BLOCK,
) -> tf.Tensor:
    """`token_similarity` for training: neither pass holds the [N, M, n, m] cosines.

    Args:
        queries: [N, n, D], unit length; cosines are computed in their dtype (on a CPU in float32)
            and averaged in float32.
        query_mask: bool [N, n], which of them count.
        keys: [M, m, D], unit length.
        key_mask: bool [M, m], which of them count.
        block: cosines held at a time, if those of one key item are not more.

    Returns:
        float32 [N, M]. The gradient is equation 4's: of keys that tie, one receives it.
    """
    queries = tf.cast(queries, _fastest(queries.dtype))
    keys = tf.cast(with_repeats(keys, key_mask), queries.dtype)
    weights = shares(query_mask)
    unused = tf.zeros_like(key_mask, tf.float32)
    (sums,) = _similarities(queries, weights, keys, unused, False, block)
    return tf.transpose(sums * _exist(key_mask)[:, tf.newaxis])


def both_ways(
    images: tf.Tensor,
    image_mask: tf.Tensor,
    texts: tf.Tensor,
    text_mask: tf.Tensor,
    block: int = BLOCK,
) -> tuple[tf.Tensor, tf.Tensor]:
    """sim^I [N, M] and sim^T, transposed to [M, N], of equation 4 from the same cosines.

    Shapes and results as `one_way` has them, for pictures as queries and texts as keys, and the
    other way round.
    """
    images = tf.cast(with_repeats(images, image_mask), _fastest(images.dtype))
    texts = tf.cast(with_repeats(texts, text_mask), images.dtype)
    of_images, of_texts = _similarities(
        images, shares(image_mask), texts, shares(text_mask), True, block
    )
    of_images *= _exist(text_mask)[:, tf.newaxis]
    return tf.transpose(of_images), of_texts * _exist(image_mask)


def _fastest(dtype: tf.DType) -> tf.DType:
    """XLA's products of low precision are the slower ones on a CPU."""
    return dtype if tf.config.list_logical_devices("GPU") else tf.float32


def _exist(mask: tf.Tensor) -> tf.Tensor:
    """float32 [N]: 0 for items without tokens, which are like nothing."""
    return tf.cast(tf.reduce_any(mask, axis=1), tf.float32)


def _similarities(
    queries: tf.Tensor,
    query_weights: tf.Tensor,
    keys: tf.Tensor,
    key_weights: tf.Tensor,
    both: bool,
    block: int,
) -> list[tf.Tensor]:
    """float32 [M, N]: the weighted sum over queries of their best cosines to the item's keys.

    With `both`, a second one: the weighted sum over keys of their best cosines to the queries.
    """

    @tf.custom_gradient
    def of(queries: tf.Tensor, keys: tf.Tensor):
        # Held still: otherwise an eager tape would ask the compiled loop for its intermediates.
        queries, keys = tf.stop_gradient(queries), tf.stop_gradient(keys)
        sums, winners = _forward(queries, query_weights, keys, key_weights, both, block)

        def gradient(*upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _backward(queries, query_weights, keys, key_weights, winners, upstream)

        return sums, gradient

    return of(queries, keys)


@_compiled
def _forward(
    queries: tf.Tensor,
    query_weights: tf.Tensor,
    keys: tf.Tensor,
    key_weights: tf.Tensor,
    both: bool,
    block: int,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """The sums, and who won each maximum: int16 [C, M / C, n, N], and [C, m, M / C, N]."""
    rows, weights, positions = _by_position(queries, query_weights)
    blocks = _count_blocks(keys, rows, block)

    def one_block(block: tuple[tf.Tensor, tf.Tensor]) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        keys, key_weights = block
        cosines = tf.matmul(_flat(keys), rows, transpose_b=True)
        # Positions before items: a maximum then runs along whole rows of items.
        cosines = tf.reshape(cosines, tf.concat([tf.shape(keys)[:2], positions, [-1]], 0))
        best = tf.reduce_max(cosines, axis=0)
        winners = [_first(cosines == best, axis=0)]
        sums = [tf.einsum("jni,ni->ji", tf.cast(best, tf.float32), weights)]
        if both:
            best = tf.reduce_max(cosines, axis=2)
            winners.append(_first(cosines == best[:, :, tf.newaxis], axis=2))
            sums.append(tf.einsum("rji,rj->ji", tf.cast(best, tf.float32), key_weights))
        return sums, winners

    ways = 1 + both
    sums, winners = tf.map_fn(
        one_block,
        (_cut(keys, blocks), _cut(key_weights, blocks)),
        fn_output_signature=([tf.float32] * ways, [tf.int16] * ways),
    )
    items = tf.shape(keys)[0]
    return [tf.reshape(s, [-1, tf.shape(s)[-1]])[:items] for s in sums], winners


@_compiled
def _backward(
    queries: tf.Tensor,
    query_weights: tf.Tensor,
    keys: tf.Tensor,
    key_weights: tf.Tensor,
    winners: list[tf.Tensor],
    upstream: list[tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of queries and keys: a cosine passes on what its maxima receive, or nothing."""
    rows, weights, positions = _by_position(queries, query_weights)
    blocks = tf.shape(winners[0])[0]
    all_keys, all_weights = _cut(keys, blocks), _cut(key_weights, blocks)
    received = [tf.transpose(_cut(u[:, tf.newaxis], blocks), [0, 2, 1, 3]) for u in upstream]
    of_key, of_query = _numbers(tf.shape(keys)[1]), _numbers(positions[0])

    def one_block(
        block: tf.Tensor, of_rows: tf.Tensor, of_keys: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        share = received[0][block] * weights  # [M / C, n, N]
        passed = tf.where(winners[0][block] == of_key[:, None, None, None], share, 0.0)
        if len(winners) > 1:
            share = received[1][block][:, 0] * all_weights[block][..., tf.newaxis]
            won = winners[1][block][:, :, tf.newaxis] == of_query[:, None]
            passed += tf.where(won, share[:, :, tf.newaxis], 0.0)
        passed = tf.reshape(tf.cast(passed, rows.dtype), [-1, tf.shape(rows)[0]])
        gradient = tf.matmul(passed, _flat(all_keys[block]), transpose_a=True)
        of_keys = of_keys.write(block, tf.matmul(passed, rows))
        return block + 1, of_rows + tf.cast(gradient, tf.float32), of_keys

    _, of_rows, of_keys = tf.while_loop(
        lambda block, *_: block < blocks,
        one_block,
        (0, tf.zeros_like(rows, tf.float32), tf.TensorArray(rows.dtype, size=blocks)),
        maximum_iterations=blocks,
    )
    of_queries = tf.reshape(of_rows, tf.concat([positions, [-1], tf.shape(rows)[1:]], 0))
    of_keys = tf.transpose(tf.reshape(of_keys.stack(), tf.shape(all_keys)), [0, 2, 1, 3])
    return (
        tf.cast(tf.transpose(of_queries, [1, 0, 2]), queries.dtype),
        tf.reshape(of_keys, tf.concat([[-1], tf.shape(keys)[1:]], 0))[: tf.shape(keys)[0]],
    )


def _by_position(items: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """[N, n, D] and [N, n] -> [n N, D], [n, N], and [n]."""
    return _flat(tf.transpose(items, [1, 0, 2])), tf.transpose(weights), tf.shape(items)[1:2]


def _flat(tokens: tf.Tensor) -> tf.Tensor:
    """[..., D] -> [tokens, D]."""
    return tf.reshape(tokens, [-1, tf.shape(tokens)[-1]])


def _count_blocks(keys: tf.Tensor, rows: tf.Tensor, block: int) -> tf.Tensor:
    """C: into how many blocks M items [M, m, D] are cut that meet `rows` queries."""
    items = tf.shape(keys)[0]
    each = tf.shape(keys)[1] * tf.shape(rows)[0]
    together = tf.clip_by_value(block // tf.maximum(each, 1), 1, tf.maximum(items, 1))
    return -(-items // together)


def _cut(items: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
    """[M, m, ...] -> [C, m, M / C, ...], the last block filled with zeros."""
    shape = tf.shape(items)
    size = -(-shape[0] // blocks)
    padding = [[0, size * blocks - shape[0]]] + [[0, 0]] * (items.shape.rank - 1)
    cut = tf.reshape(tf.pad(items, padding), tf.concat([[blocks, size], shape[1:]], 0))
    return tf.transpose(cut, [0, 2, 1, *range(3, items.shape.rank + 1)])


def _numbers(count: tf.Tensor) -> tf.Tensor:
    """int16 [count]: 0, 1, 2, ..."""
    return tf.cast(tf.range(count), tf.int16)


def _first(won: tf.Tensor, axis: int) -> tf.Tensor:
    """int16: the first place of bool [A, B, C, D] along `axis` that holds true."""
    places = tf.reshape(tf.range(tf.shape(won)[axis]), [-1] + [1] * (3 - axis))
    return tf.cast(tf.reduce_min(tf.where(won, places, 2**15 - 1), axis=axis), tf.int16)
