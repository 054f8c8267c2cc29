"""Signal 3: text self-supervision by masked language modelling (Devlin et al. 2018)."""

import tensorflow as tf

from clipbench_tf.data.text.vocabulary import IGNORED_LABEL, VOCABULARY_SIZE
from clipbench_tf.distribution import replicas
from clipbench_tf.features import Features
from clipbench_tf.objectives.heads import Linear
from clipbench_tf.objectives.objective import Objective, view


class TextMLM(Objective):
    """L_TSS of equations 6 and 7: predict the masked tokens of the caption.

    Cross-entropy over the vocabulary at the positions that `mlm_labels` marks, with one linear
    layer on the tower's `tokens`; the mean over the masked positions of all replicas, 0 if
    there are none. The tower's attention stays causal, as in the released code.

    Deviates: the released code averages the means of the replicas (`local_mean`), and gives NaN
    for a batch without a masked token.

    Args:
        weight: alpha of equations 6 and 7.
        text_view: the masked view; `mlm_labels` belong to view 0.
        vocabulary: number of ids that the head predicts.
        local_mean: whether each replica divides by its own number of masked positions.
    """

    def __init__(
        self,
        *,
        weight: float = 0.2,
        text_view: int = 0,
        vocabulary: int = VOCABULARY_SIZE,
        local_mean: bool = False,
        name: str = "text_mlm",
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.text_view, self.vocabulary, self.local_mean = text_view, vocabulary, local_mean
        self.head = Linear(vocabulary, name="head")

    def build(self, features_shape: Features) -> None:
        tokens = view(features_shape.texts, self.text_view, "text", self.name).tokens
        self.head.build(tokens)

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        tokens = view(features.texts, self.text_view, "text", self.name).tokens
        if features.mlm_labels is None:
            raise ValueError(
                f"Objective {self.name} needs mlm_labels, but the batch has none; bind the "
                f"pipeline's mask_probability above 0."
            )
        # The vocabulary is the model's widest axis: logits are formed for masked positions only.
        where = tf.where(features.mlm_labels != IGNORED_LABEL)
        logits = self.head(tf.gather_nd(tokens, where))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.gather_nd(features.mlm_labels, where), logits=tf.cast(logits, tf.float32)
        )
        masked = tf.cast(tf.shape(where)[0], tf.float32)
        if not self.local_mean:
            # The trainer averages over replicas: with the mean count as the divisor of each
            # replica's sum, that average is the mean over all masked positions.
            masked = replicas.mean(masked)
        return tf.math.divide_no_nan(tf.reduce_sum(losses), masked)
