"""In graph: the best of some classes for each picture, and the encoding of names in a request."""

from collections.abc import Callable

import tensorflow as tf

_TOGETHER = 256  # prompts that are encoded in one call
_NOTHING = r"[\pZ\x00-\x20\x7f]*"  # white space and control characters alone


def best(
    scores: tf.Tensor, scale: tf.Tensor, k: tf.Tensor, valid: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The K best of C classes.

    Args:
        scores: similarities, float32 [B, C].
        scale: 1 / temperature.
        k: int32 [] or [B].
        valid: bool [B].

    Returns:
        Their places int32 [B, K], their probabilities among all C float32 [B, K], or 0, and bool
        [B, K]: whether the row is valid and asked for so many.

    Errors: the op raises InvalidArgumentError for k below 1, or of another length, and for C = 0.
    """
    count = tf.shape(scores)[1]
    k = tf.reshape(k, [-1])
    checks = [
        _check(tf.reduce_all(k >= 1), "k must be at least 1, but is", k),
        _check(
            (tf.size(k) == 1) | (tf.size(k) == tf.size(valid)),
            "k must be one number, or one for each picture; their numbers are",
            tf.size(k),
            tf.size(valid),
        ),
        _check(count > 0, "There must be at least one class; there are", count),
    ]
    with tf.control_dependencies(checks):
        widest = tf.minimum(tf.reduce_max(tf.concat([k, [1]], 0)), count)
    found, places = tf.math.top_k(tf.nn.softmax(scale * scores), widest)
    shown = valid[:, tf.newaxis] & (tf.range(widest) < k[:, tf.newaxis])
    return places, tf.where(shown, found, 0.0), shown


def named(names: tf.Tensor, places: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """Those of `names`, string [C] or [B, C], at `places` [B, K]; "" where not `shown`."""
    batched = names.shape.rank == 2
    found = tf.gather(names, places, axis=-1, batch_dims=int(batched))
    return tf.where(shown, found, "")


def scores_of_names(
    names: tf.Tensor,
    templates: tf.Tensor,
    score: Callable[[tf.Tensor], tf.Tensor],
    count: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The scores of B pictures for the names in a request, of which equal ones are encoded once.

    Args:
        names: string [B, C], or [1, C] for all pictures.
        templates: string [T], or [B, T].
        score: prompts, string [N, T] -> similarities of all pictures to N classes, [B, N].
        count: B.

    Returns:
        The names, string [B, C], and their scores, float32 [B, C].

    Errors: the op raises InvalidArgumentError for other shapes, for C = 0 or T = 0, for a name of
        white space alone, and for a template without {}.
    """
    # A list of one template is a row of it.
    templates = tf.reshape(templates, tf.concat([[1, 1], tf.shape(templates)], 0)[-2:])
    templates = tf.ensure_shape(templates, [None, None])
    with tf.control_dependencies(_checks(names, templates, count)):
        names, templates = tf.identity(names), tf.identity(templates)
    width = tf.shape(names)[1]
    # Names are the same if their templates are, too; lengths keep the parts of a key apart.
    lengths = tf.strings.as_string(tf.strings.length(templates))
    rows = tf.strings.reduce_join(tf.strings.join([lengths, ":", templates]), axis=1)
    sets, set_of_row = tf.unique(rows)
    keys = tf.strings.as_string(set_of_row)[:, tf.newaxis] + (":" + names)  # which broadcasts
    every = tf.reshape(tf.broadcast_to(names, tf.shape(keys)), [-1])
    set_of_name = tf.broadcast_to(set_of_row[:, tf.newaxis], tf.shape(keys))
    unique, place = tf.unique(tf.reshape(keys, [-1]))
    total = tf.size(unique)
    first = tf.math.unsorted_segment_min(tf.range(tf.size(every)), place, total)
    row_of_set = tf.math.unsorted_segment_min(tf.range(tf.size(rows)), set_of_row, tf.size(sets))
    rows_of_name = tf.gather(row_of_set, tf.gather(tf.reshape(set_of_name, [-1]), first))
    scores = _in_chunks(tf.gather(every, first), tf.gather(templates, rows_of_name), score, count)
    places = tf.broadcast_to(tf.reshape(place, [-1, width]), [count, width])
    return tf.broadcast_to(names, [count, width]), tf.gather(scores, places, batch_dims=1)


def _in_chunks(
    names: tf.Tensor,
    templates: tf.Tensor,
    score: Callable[[tf.Tensor], tf.Tensor],
    count: tf.Tensor,
) -> tf.Tensor:
    """The scores of N names [N], each in its own templates [N, T]: float32 [B, N].

    All at once would take gigabytes where there are many, and prompts of similar length are
    encoded together.
    """
    order = tf.argsort(tf.strings.length(names), stable=True)
    names, templates = tf.gather(names, order), tf.gather(templates, order)
    total = tf.size(names)
    size = tf.maximum(_TOGETHER // tf.maximum(tf.shape(templates)[1], 1), 1)

    def more(start: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        prompts = _prompts(names[start : start + size], templates[start : start + size])
        return start + size, tf.concat([scores, score(prompts)], axis=1)

    _, scores = tf.while_loop(
        lambda start, scores: start < total,
        more,
        [tf.constant(0), tf.zeros([count, 0])],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, None])],
        parallel_iterations=1,
    )
    return tf.gather(scores, tf.argsort(order), axis=1)


def _prompts(names: tf.Tensor, templates: tf.Tensor) -> tf.Tensor:
    """Names [N] in the place of each {} of their templates [N, T]: string [N, T]."""
    parts = tf.strings.split(tf.reshape(templates, [-1]), "{}")
    later = parts[:, 1:]
    shape = tf.shape(templates)
    every = tf.reshape(tf.broadcast_to(names[:, tf.newaxis], shape), [-1])
    joined = tf.strings.join([tf.gather(every, later.value_rowids()), later.flat_values])
    rest = tf.strings.reduce_join(later.with_flat_values(joined), axis=1)
    return tf.reshape(tf.strings.join([parts[:, :1].flat_values, rest]), shape)


def _checks(names: tf.Tensor, templates: tf.Tensor, count: tf.Tensor) -> list[tf.Operation]:
    shape, other = tf.shape(names), tf.shape(templates)
    return [
        _check(shape[1] > 0, "classes must name at least one class; its shape is", shape),
        _check(
            (shape[0] == 1) | (shape[0] == count),
            "classes must have one row for all pictures, or one for each; its shape and the number "
            "of pictures are",
            shape,
            count,
        ),
        _check(
            ~tf.reduce_any(tf.strings.regex_full_match(names, _NOTHING)),
            "classes must have no empty name; these are",
            names,
        ),
        _check(other[1] > 0, "templates must have at least one prompt; its shape is", other),
        _check(
            (other[0] == 1) | (other[0] == count),
            "templates must be one list for all pictures, or one for each; its shape and the "
            "number of pictures are",
            other,
            count,
        ),
        _check(
            tf.reduce_all(tf.strings.regex_full_match(templates, r"\C*\{\}\C*")),
            "templates must all have {} for the class name; these are",
            templates,
        ),
    ]


def _check(condition: tf.Tensor, message: str, *shown: object) -> tf.Operation:
    return tf.debugging.Assert(condition, [message, *shown], summarize=8)
