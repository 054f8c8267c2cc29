"""Whether method, data and devices fit each other, before anything is built."""

import tensorflow as tf

from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.data.text.vocabulary import Vocabulary
from clipbench_tf.distribution import replicas
from clipbench_tf.method import Method
from clipbench_tf.optimization import gradient_cache


def check_compatible(strategy: tf.distribute.Strategy, method: Method, pipeline: Pipeline) -> None:
    """Checks that `method` can be trained on `pipeline` under `strategy`.

    Raises:
        ValueError: naming the binding to change.
    """
    if pipeline.batch_size % strategy.num_replicas_in_sync:
        raise ValueError(
            f"The global batch, pipeline.Pipeline.batch_size = {pipeline.batch_size}, does not "
            f"divide among {strategy.num_replicas_in_sync} replicas; bind a multiple."
        )
    gradient_cache.check_divides(
        pipeline.batch_size // strategy.num_replicas_in_sync, method.chunks
    )
    if pipeline.trim_captions and any(o.count_padding for o in method.objectives):
        raise ValueError(
            "count_padding = True counts positions that pipeline.Pipeline.trim_captions = True "
            "cuts off, a different number in each batch; bind trim_captions = False."
        )
    _check_vocabulary(method, pipeline.tokenizer.vocabulary)
    with strategy.scope():
        if replicas.workers() > 1:
            sum(pipeline.split.counts)  # raises where shards hold something else


def _check_vocabulary(method: Method, ids: Vocabulary) -> None:
    """Raises ValueError if the text tower or a head has another vocabulary than the tokenizer."""
    tower = getattr(method.text_encoder, "vocabulary", ids)
    if tower != ids:
        raise ValueError(
            f"The tokenizer makes {ids.size} ids, the text tower reads {tower.size}; bind "
            f"tokenizer.Tokenizer.merges and text_transformer.TextTransformer.merges alike, or one "
            f"preset for hub_tokenizer.HubTokenizer and hub_text.HubText."
        )
    for objective in method.objectives:
        if getattr(objective, "vocabulary", ids.size) < ids.size:
            raise ValueError(
                f"Objective {objective.name} chooses among {objective.vocabulary} ids, but the "
                f"tokenizer makes {ids.size}; bind text_mlm.TextMLM.vocabulary = {ids.size}."
            )
