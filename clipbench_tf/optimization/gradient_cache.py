"""The gradient of a batch that is too large to be encoded at once: GradCache (Gao et al. 2021)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

Tensors = Mapping[str, tf.Tensor]


def gradients(
    encode: Callable[[Any], Any],
    objective: Callable[[Any], tuple[Any, tf.Tensor]],
    batch: Tensors,
    variables: Sequence[tf.Variable],
    chunks: int,
) -> tuple[Any, list[tf.Tensor | None]]:
    """The gradient of the whole batch, with the activations of one chunk in memory at a time.

    All chunks are encoded without a tape; the objective is differentiated with respect to their
    features, of the whole batch; then each chunk is encoded again, and the gradient of its
    features is propagated into the towers. Costs one more forward pass of the towers.

    Args:
        encode: part of a batch -> features, nested tensors [b, ...].
        objective: features of the whole batch -> (anything to return, the scalar).
        batch: tensors [B, ...].
        variables: to differentiate with respect to.
        chunks: divides B.

    Returns:
        what `objective` returned first, and a gradient for each variable, None for one that the
        scalar does not depend on.
    """
    parts = {
        name: tf.reshape(value, tf.concat([[chunks, -1], tf.shape(value)[1:]], 0))
        for name, value in batch.items()
    }
    for name, value in batch.items():
        parts[name].set_shape([chunks, None, *value.shape[1:]])
    features = _encoded(encode, parts)
    differentiable = _differentiable(features)
    with tf.GradientTape() as tape:
        tape.watch(differentiable)
        result, total = objective(features)
    of_features, direct = tape.gradient(total, [differentiable, list(variables)])
    upstream = [_chunked(g, chunks) for g in of_features if g is not None]
    places = [i for i, g in enumerate(of_features) if g is not None]
    through = _through_towers(encode, parts, places, upstream, variables, chunks)
    return result, [_sum(one, other) for one, other in zip(direct, through, strict=True)]


def check_divides(pairs: int, chunks: int) -> None:
    """Raises ValueError if the `pairs` of a device do not divide into `chunks`."""
    if pairs % chunks:
        raise ValueError(
            f"The {pairs} pairs of a device are not divisible by {chunks} chunks; bind "
            f"method.Method.chunks to a divisor of {pairs}."
        )


def _encoded(encode: Callable[[Any], Any], parts: Tensors) -> Any:
    """Features of all chunks, joined to [B, ...]."""
    # Only its dtypes and shapes are used; the graph prunes the computation.
    example = encode({name: part[0] for name, part in parts.items()})
    encoded = tf.map_fn(
        lambda part: tf.nest.flatten(encode(part)),
        parts,
        fn_output_signature=[tensor.dtype for tensor in tf.nest.flatten(example)],
        parallel_iterations=1,
    )
    joined = []
    for whole, chunk in zip(encoded, tf.nest.flatten(example), strict=True):
        whole = tf.reshape(whole, tf.concat([[-1], tf.shape(whole)[2:]], 0))
        whole.set_shape([None, *chunk.shape[1:]])
        joined.append(whole)
    return tf.nest.pack_sequence_as(example, joined)


def _through_towers(
    encode: Callable[[Any], Any],
    parts: Tensors,
    places: list[int],
    upstream: list[tf.Tensor],
    variables: Sequence[tf.Variable],
    chunks: int,
) -> list[tf.Tensor | None]:
    """The gradient of each variable through the features at `places`, summed over the chunks."""
    reached: set[int] = set()

    def one_chunk(number: tf.Tensor, sums: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            features = _differentiable(encode({name: part[number] for name, part in parts.items()}))
        chunk_gradients = tape.gradient(
            [features[i] for i in places], list(variables), [g[number] for g in upstream]
        )
        reached.update(i for i, g in enumerate(chunk_gradients) if g is not None)
        return number + 1, [_sum(s, g) for s, g in zip(sums, chunk_gradients, strict=True)]

    _, sums = tf.while_loop(
        lambda number, _: number < chunks,
        one_chunk,
        (0, [tf.zeros_like(v) for v in variables]),
        parallel_iterations=1,
    )
    return [s if i in reached else None for i, s in enumerate(sums)]


def _differentiable(features: Any) -> list[tf.Tensor]:
    return [t for t in tf.nest.flatten(features) if t.dtype.is_floating]


def _chunked(gradient: tf.Tensor, chunks: int) -> tf.Tensor:
    gradient = tf.convert_to_tensor(gradient)
    return tf.reshape(gradient, tf.concat([[chunks, -1], tf.shape(gradient)[1:]], 0))


def _sum(one: tf.Tensor | None, other: tf.Tensor | None) -> tf.Tensor | None:
    """The dense sum of those that are not None, or None."""
    present = [tf.convert_to_tensor(g) for g in (one, other) if g is not None]
    return tf.add_n(present) if present else None
