"""OTTER's loss: image-text InfoNCE with soft targets from optimal transport (Wu et al. 2021)."""

import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.features import Features, unit
from clipbench_tf.objectives.info_nce import cross_entropy, targets
from clipbench_tf.objectives.objective import Objective, view

# Subtracted from the similarity of each pair's own image and text. Any number far above
# `temperature` excludes the pair; a finite one keeps a batch of one pair defined.
OWN_PAIR = 200.0


class OptimalTransport(Objective):
    """Equation 2 with the targets alpha * I + (1 - alpha) * M instead of I.

    M distributes the rest over the other pairs. It is the entropic transport plan of

        S = image_text * I T^t + image_image * I I^t + text_text * T T^t - infinity on the diagonal

    with I and T the embeddings [N, E] of the global batch at unit length: picture i and caption
    j match if they are alike, and also if picture i is like the picture of j, or caption j like
    the caption of i. The own pair is excluded, as alpha is its target. M carries no gradient.

    The defaults are those of the released code (facebookresearch/OTTER, models/model.py and
    launch_scripts/train_OTTER.sh). Deviates from it: S is computed from the trained towers, not
    from a moving average of them; both parts of the loss share the method's temperature; the two
    directions are averaged, not added; cross-entropy replaces the KL divergence, which has the
    same gradient; gradients reach the embeddings of other replicas.

    Args:
        weight: of this objective in the sum.
        alpha: weight of the own pair in the targets, from 0 to 1; 1 gives `ImageText`.
        iterations: of Sinkhorn's algorithm.
        temperature: of the entropy term, in units of S; low values make M nearly one to one.
        image_text: factor of the similarity between picture and caption in S.
        image_image: factor of the similarity between pictures in S.
        text_text: factor of the similarity between captions in S.
        image_view: view of the picture that is contrasted.
        text_view: view of the caption that it is contrasted with.

    Raises:
        ValueError: if alpha is not from 0 to 1, or iterations or temperature not above 0.
    """

    def __init__(
        self,
        *,
        weight: float = 1.0,
        alpha: float = 0.5,
        iterations: int = 5,
        temperature: float = 0.15,
        image_text: float = 1.0,
        image_image: float = 1.0,
        text_text: float = 1.0,
        image_view: int = 0,
        text_view: int = 0,
        name: str = "optimal_transport",
    ) -> None:
        super().__init__(weight=weight, name=name)
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha of objective {name} is {alpha}; it must be from 0 to 1.")
        if iterations < 1 or temperature <= 0:
            raise ValueError(
                f"Objective {name} has {iterations} iterations and temperature {temperature}; "
                f"both must be above 0."
            )
        self.alpha, self.iterations, self.temperature = alpha, iterations, temperature
        self.image_text, self.image_image, self.text_text = image_text, image_image, text_text
        self.image_view, self.text_view = image_view, text_view

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        image = unit(view(features.images, self.image_view, "image", self.name).embedding)
        text = unit(view(features.texts, self.text_view, "text", self.name).embedding)
        images, texts = replicas.gather(image), replicas.gather(text)
        similarity = tf.stop_gradient(self.similarity(images, texts))
        to_text = features.scale * tf.matmul(image, texts, transpose_b=True)
        to_image = features.scale * tf.matmul(text, images, transpose_b=True)
        return 0.5 * (
            self.loss(to_text, similarity) + self.loss(to_image, tf.transpose(similarity))
        )

    def similarity(self, images: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
        """S of the class docstring: [N, E] and [N, E] -> [N, N], a row for each picture."""
        return (
            self.image_text * tf.matmul(images, texts, transpose_b=True)
            + self.image_image * tf.matmul(images, images, transpose_b=True)
            + self.text_text * tf.matmul(texts, texts, transpose_b=True)
            - OWN_PAIR * tf.eye(tf.shape(images)[0])
        )

    def loss(self, logits: tf.Tensor, similarity: tf.Tensor) -> tf.Tensor:
        """The loss in one direction: this replica's logits [B, N], similarity [N, N] of all."""
        plan = transport_plan(similarity / self.temperature, self.iterations)
        own = tf.gather(plan, targets(tf.shape(logits)[0]))
        soft = tf.nn.softmax_cross_entropy_with_logits(labels=own, logits=logits)
        return self.alpha * cross_entropy(logits) + (1 - self.alpha) * tf.reduce_mean(soft)


def transport_plan(logits: tf.Tensor, iterations: int) -> tf.Tensor:
    """Sinkhorn's algorithm (Cuturi 2013), in log space, so that small entries do not underflow.

    Args:
        logits: similarity over temperature, [N, N].
        iterations: each scales all rows, then all columns to sum 1.

    Returns:
        [N, N], without negative entries; rows sum to 1, columns nearly.
    """
    for _ in range(iterations):
        logits -= tf.reduce_logsumexp(logits, axis=1, keepdims=True)
        logits -= tf.reduce_logsumexp(logits, axis=0, keepdims=True)
    return tf.nn.softmax(logits, axis=1)
