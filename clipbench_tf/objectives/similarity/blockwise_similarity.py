"""Equation 4 for training: in blocks, compiled with XLA, with a custom gradient."""

import tensorflow as tf

from clipbench_tf import hardware
from clipbench_tf.objectives.similarity.maximum import maximum
from clipbench_tf.objectives.similarity.token_similarity import shares, with_repeats

# Cosines in memory at a time, whatever the number of items. Those of a GPU fill 34 MB in bfloat16,
# which stay in the cache of an A100 (40 MB) or H100 (50 MB).
CPU_BLOCK, GPU_BLOCK = 2**23, 2**24

_compiled = tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
_graph = tf.function(autograph=False, reduce_retracing=True)


def one_way(
    queries: tf.Tensor,
    query_mask: tf.Tensor,
    keys: tf.Tensor,
    key_mask: tf.Tensor,
    block: int | None = None,
) -> tf.Tensor:
    """`token_similarity` for training: neither pass holds all [N, M, n, m] cosines at once.

    Args:
        queries: [N, n, D], unit length; cosines are computed in their dtype (see
            `_cosine_dtype`) and averaged in float32.
        query_mask: bool [N, n], true for tokens that count.
        keys: [M, m, D], unit length.
        key_mask: bool [M, m], true for tokens that count.
        block: cosines in memory at a time, but at least those of one key item. None for
            `GPU_BLOCK` or `CPU_BLOCK`.

    Returns:
        float32 [N, M]. The gradient is that of equation 4; of tied keys, one receives it.
    """
    queries = tf.cast(queries, _cosine_dtype(queries.dtype))
    keys = tf.cast(with_repeats(keys, key_mask), queries.dtype)
    weights = shares(query_mask)
    unused = tf.zeros_like(key_mask, tf.float32)
    (sums,) = _similarities(queries, weights, keys, unused, False, block)
    return tf.transpose(sums * _has_tokens(key_mask)[:, tf.newaxis])


def both_ways(
    images: tf.Tensor,
    image_mask: tf.Tensor,
    texts: tf.Tensor,
    text_mask: tf.Tensor,
    block: int | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """sim^I [N, M] and sim^T, transposed to [M, N], of equation 4 from the same cosines.

    The same as `one_way` called twice, with pictures as queries and texts as keys, and with texts
    as queries and pictures as keys.
    """
    images = tf.cast(with_repeats(images, image_mask), _cosine_dtype(images.dtype))
    texts = tf.cast(with_repeats(texts, text_mask), images.dtype)
    of_images, of_texts = _similarities(
        images, shares(image_mask), texts, shares(text_mask), True, block
    )
    of_images *= _has_tokens(text_mask)[:, tf.newaxis]
    return tf.transpose(of_images), of_texts * _has_tokens(image_mask)


def _cosine_dtype(dtype: tf.DType) -> tf.DType:
    """The dtype of the cosines: `dtype`, or float32 where a CPU is slower in `dtype`."""
    fast = hardware.on_gpu() or (dtype == tf.bfloat16 and hardware.cpu_bfloat16() is not None)
    return dtype if fast else tf.float32


def _has_tokens(mask: tf.Tensor) -> tf.Tensor:
    """float32 [N]: 1, or 0 for items without tokens, to make their similarities 0."""
    return tf.cast(tf.reduce_any(mask, axis=1), tf.float32)


def _similarities(
    queries: tf.Tensor,
    query_weights: tf.Tensor,
    keys: tf.Tensor,
    key_weights: tf.Tensor,
    both: bool,
    block: int | None,
) -> list[tf.Tensor]:
    """float32 [M, N]: the weighted sum over query tokens of their highest cosine to a key item.

    With `both`, also the weighted sum over key tokens of their highest cosine to a query item.
    """
    # On a GPU, XLA compiles the loop over blocks with its matrix products. On a CPU only what is
    # done with a block's cosines: TensorFlow's products (oneDNN) are as fast as XLA's there with
    # AVX2, faster with AVX-512, and use bfloat16 instructions where there are some
    # (`clipbench_tf/benchmarks/similarity.py`).
    on_gpu = hardware.on_gpu()
    forward, backward = _WHOLE if on_gpu else _IN_PARTS
    cosines = block or (GPU_BLOCK if on_gpu else CPU_BLOCK)

    @tf.custom_gradient
    def of(queries: tf.Tensor, keys: tf.Tensor):
        # Otherwise an eager tape would request intermediates of the compiled loop.
        queries, keys = tf.stop_gradient(queries), tf.stop_gradient(keys)
        tokens = queries, query_weights, keys, key_weights
        sums, winners = forward(*tokens, both, cosines)

        def gradient(*upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return backward(*tokens, winners, upstream)

        return sums, gradient

    return of(queries, keys)


def _forward(
    queries: tf.Tensor,
    query_weights: tf.Tensor,
    keys: tf.Tensor,
    key_weights: tf.Tensor,
    both: bool,
    block: int,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """The sums, and the argmax of each maximum: int16 [C, M / C, n, N], and [C, m, M / C, N]."""
    rows, weights, positions = _by_position(queries, query_weights)
    blocks = _count_blocks(keys, rows, block)

    def one_block(block: tuple[tf.Tensor, tf.Tensor]) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        keys, key_weights = block
        cosines = tf.matmul(_flat(keys), rows, transpose_b=True)
        # Positions before items in the layout: a maximum then runs along whole rows of items.
        cosines = tf.reshape(cosines, tf.concat([tf.shape(keys)[:2], positions, [-1]], 0))
        return _best(cosines, weights, key_weights if both else None)

    ways = 1 + both
    sums, winners = tf.map_fn(
        one_block,
        (_cut(keys, blocks), _cut(key_weights, blocks)),
        parallel_iterations=1,  # more would hold more blocks
        fn_output_signature=([tf.float32] * ways, [tf.int16] * ways),
    )
    items = tf.shape(keys)[0]
    return [tf.reshape(s, [-1, tf.shape(s)[-1]])[:items] for s in sums], winners


@_compiled
def _best(
    cosines: tf.Tensor, weights: tf.Tensor, key_weights: tf.Tensor | None
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Sums and argmaxes of a block of cosines [m, M / C, n, N]; both ways with `key_weights`."""
    # Flat: in several axes, XLA would lay out the winners on a GPU as the sum prefers them.
    flat = tf.reshape(cosines, [tf.shape(cosines)[0], -1])
    best, winners = (tf.reshape(x, tf.shape(cosines)[1:]) for x in maximum(flat, axis=0))
    # Not `einsum`: XLA would lay the cosines out anew for its products.
    sums = [tf.reduce_sum(best * weights, axis=1)]
    if key_weights is None:
        return sums, [winners]
    best, others = maximum(cosines, axis=2)
    return [*sums, tf.reduce_sum(best * key_weights[..., tf.newaxis], axis=0)], [winners, others]


def _backward(
    queries: tf.Tensor,
    query_weights: tf.Tensor,
    keys: tf.Tensor,
    key_weights: tf.Tensor,
    winners: list[tf.Tensor],
    upstream: list[tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of queries and keys; they flow through the cosines that are maxima."""
    rows, weights, positions = _by_position(queries, query_weights)
    blocks = tf.shape(winners[0])[0]
    all_keys, all_weights = _cut(keys, blocks), _cut(key_weights, blocks)
    received = [tf.transpose(_cut(u[:, tf.newaxis], blocks), [0, 2, 1, 3]) for u in upstream]

    def one_block(
        block: tf.Tensor, of_rows: tf.Tensor, of_keys: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        passed = _passed(
            [w[block] for w in winners],
            [r[block] for r in received],
            weights,
            all_weights[block],
            rows.dtype,
        )
        # Not in `_passed`: XLA would find each index by divisions there, at four times the cost.
        passed = tf.reshape(passed, [-1, tf.shape(rows)[0]])
        of_keys = of_keys.write(block, tf.matmul(passed, rows))
        return block + 1, of_rows + _product(passed, _flat(all_keys[block])), of_keys

    _, of_rows, of_keys = tf.while_loop(
        lambda block, *_: block < blocks,
        one_block,
        (0, tf.zeros_like(rows, tf.float32), tf.TensorArray(rows.dtype, size=blocks)),
        parallel_iterations=1,
        maximum_iterations=blocks,
    )
    of_queries = tf.reshape(of_rows, tf.concat([positions, [-1], tf.shape(rows)[1:]], 0))
    of_keys = tf.transpose(tf.reshape(of_keys.stack(), tf.shape(all_keys)), [0, 2, 1, 3])
    return (
        tf.cast(tf.transpose(of_queries, [1, 0, 2]), queries.dtype),
        tf.reshape(of_keys, tf.concat([[-1], tf.shape(keys)[1:]], 0))[: tf.shape(keys)[0]],
    )


_WHOLE = _compiled(_forward), _compiled(_backward)
_IN_PARTS = _graph(_forward), _graph(_backward)


@_compiled
def _passed(
    winners: list[tf.Tensor],
    received: list[tf.Tensor],
    weights: tf.Tensor,
    key_weights: tf.Tensor,
    dtype: tf.DType,
) -> tf.Tensor:
    """[m, M / C, n, N]: the gradient of a block's cosines, 0 for those that are no maximum."""
    of_key, of_query = _numbers(tf.shape(key_weights)[0]), _numbers(tf.shape(weights)[0])
    share = received[0] * weights  # [M / C, n, N]
    passed = tf.where(winners[0] == of_key[:, None, None, None], share, 0.0)
    if len(winners) > 1:
        share = received[1][:, 0] * key_weights[..., tf.newaxis]  # [m, M / C, N]
        won = winners[1][:, :, tf.newaxis] == of_query[:, None]
        passed += tf.where(won, share[:, :, tf.newaxis], 0.0)
    return tf.cast(passed, dtype)


def _product(passed: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """float32: `passed`, transposed, times `keys`."""
    if hardware.on_gpu():  # not rounded on the way, so that the product can add to what there is
        return tf.raw_ops.BatchMatMulV3(x=passed, y=keys, Tout=tf.float32, adj_x=True)
    return tf.cast(tf.matmul(passed, keys, transpose_a=True), tf.float32)


def _by_position(items: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Positions before items: [N, n, D] and [N, n] -> [n N, D], [n, N], and n as an int32 [1]."""
    return _flat(tf.transpose(items, [1, 0, 2])), tf.transpose(weights), tf.shape(items)[1:2]


def _flat(tokens: tf.Tensor) -> tf.Tensor:
    """[..., D] -> [tokens, D], all leading axes joined."""
    return tf.reshape(tokens, [-1, tf.shape(tokens)[-1]])


def _count_blocks(keys: tf.Tensor, rows: tf.Tensor, block: int) -> tf.Tensor:
    """C: the number of blocks for `keys` [M, m, D], compared with the query tokens `rows`."""
    items = tf.shape(keys)[0]
    each = tf.shape(keys)[1] * tf.shape(rows)[0]
    together = tf.clip_by_value(block // tf.maximum(each, 1), 1, tf.maximum(items, 1))
    # A GPU's products would pad odd numbers of items.
    return -(-items // tf.where(together < 16, together, together // 8 * 8))


def _cut(items: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
    """[M, m, ...] -> [C, m, M / C, ...], the last block padded with zeros."""
    shape = tf.shape(items)
    size = -(-shape[0] // blocks)
    padding = [[0, size * blocks - shape[0]]] + [[0, 0]] * (items.shape.rank - 1)
    cut = tf.reshape(tf.pad(items, padding), tf.concat([[blocks, size], shape[1:]], 0))
    return tf.transpose(cut, [0, 2, 1, *range(3, items.shape.rank + 1)])


def _numbers(count: tf.Tensor) -> tf.Tensor:
    """int16 [count]: 0, 1, 2, ..."""
    return tf.cast(tf.range(count), tf.int16)
