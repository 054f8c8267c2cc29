"""Signal 2 for SLIP: image self-supervision with SimCLR's NT-Xent (Chen et al. 2020)."""

from collections.abc import Sequence

import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.features import Features, unit
from clipbench_tf.objectives.heads import Perceptron
from clipbench_tf.objectives.info_nce import targets
from clipbench_tf.objectives.objective import Objective, view


class ImageSimCLR(Objective):
    """L_ISS of equation 3: classify each view's counterpart among the views of all pictures.

    Reads the `pooled` features, before the projection to the shared space.

    Deviates: the released code's batch norms see each GPU's own batch only
    (`synchronized=False`).

    Args:
        weight: alpha of equation 3.
        image_views: the two strong views; view 0 of SLIP is the light one, for `ImageText`.
        temperature: fixed, not learned.
        widths: of the projector's linear layers.
        synchronized: whether batch norms see the global batch.
    """

    def __init__(
        self,
        *,
        weight: float = 1.0,
        image_views: tuple[int, int] = (1, 2),
        temperature: float = 0.1,
        widths: Sequence[int] = (4096, 4096, 256),
        synchronized: bool = True,
        name: str = "image_simclr",
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.image_views, self.temperature = tuple(image_views), temperature
        self.projector = Perceptron(
            widths, last_norm=False, synchronized=synchronized, name="projector"
        )

    def build(self, features_shape: Features) -> None:
        self.projector.build(
            view(features_shape.images, self.image_views[0], "image", self.name).pooled
        )

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        first, second = (
            unit(
                self.projector(
                    view(features.images, index, "image", self.name).pooled, training=training
                )
            )
            for index in self.image_views
        )
        return nt_xent(first, second, self.temperature)


def nt_xent(first: tf.Tensor, second: tf.Tensor, temperature: float) -> tf.Tensor:
    """NT-Xent: mean over 2B anchors of -log softmax at the other view, among all but the anchor.

    Args:
        first: [B, E], unit length.
        second: [B, E], unit length; row i is the other view of row i of `first`.
        temperature: divides the cosines.

    Returns:
        float32 scalar; log(2 * replicas * B - 1) if all vectors are equal.
    """
    all_first, all_second = replicas.gather(first), replicas.gather(second)
    own = targets(tf.shape(first)[0])

    def one_side(anchors: tf.Tensor, others: tf.Tensor, same: tf.Tensor) -> tf.Tensor:
        itself = tf.one_hot(own, tf.shape(same)[0], on_value=float("-inf"), off_value=0.0)
        logits = tf.concat(
            [
                tf.matmul(anchors, others, transpose_b=True) / temperature,
                tf.matmul(anchors, same, transpose_b=True) / temperature + itself,
            ],
            axis=1,
        )
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=own, logits=logits)
        )

    return 0.5 * (one_side(first, all_second, all_first) + one_side(second, all_first, all_second))
