"""Signal 2 for DeCLIP and DeFILIP: image self-supervision as in SimSiam (Chen and He 2020)."""

from collections.abc import Sequence

import tensorflow as tf

from clipbench_tf.features import Features, unit
from clipbench_tf.objectives.heads import Perceptron
from clipbench_tf.objectives.objective import Objective, view


class ImageSimSiam(Objective):
    """L_ISS of equations 6 and 7: each view predicts the other's projection, without negatives.

    -1/2 (cos(p1, stop(z2)) + cos(p2, stop(z1))), as in the released code: the minimum is -1, and
    0 means orthogonal. Reads the `embedding`, not normalised.

    Deviates: the released code's batch norms see each GPU's own batch only
    (`synchronized=False`).

    Args:
        weight: alpha of equations 6 and 7.
        image_views: the two views.
        projector_widths: of the projector's linear layers, each followed by a batch norm.
        predictor_widths: of the predictor's hidden layer and its output.
        synchronized: whether batch norms see the global batch.

    Raises:
        ValueError: if projector and predictor differ in output width.
    """

    def __init__(
        self,
        *,
        weight: float = 0.2,
        image_views: tuple[int, int] = (0, 1),
        projector_widths: Sequence[int] = (1024, 1024, 1024),
        predictor_widths: Sequence[int] = (512, 1024),
        synchronized: bool = True,
        name: str = "image_simsiam",
    ) -> None:
        super().__init__(weight=weight, name=name)
        if projector_widths[-1] != predictor_widths[-1]:
            raise ValueError(
                f"Objective {name} compares projector_widths {tuple(projector_widths)} with "
                f"predictor_widths {tuple(predictor_widths)}; their last entries must be equal."
            )
        self.image_views = tuple(image_views)
        self.projector = Perceptron(
            projector_widths, last_norm=True, synchronized=synchronized, name="projector"
        )
        self.predictor = Perceptron(
            predictor_widths, last_norm=False, synchronized=synchronized, name="predictor"
        )

    def build(self, features_shape: Features) -> None:
        shape = view(features_shape.images, self.image_views[0], "image", self.name).embedding
        self.projector.build(shape)
        self.predictor.build((shape[0], self.projector.linears[-1].units))

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        embeddings = [
            view(features.images, index, "image", self.name).embedding for index in self.image_views
        ]
        targets = [self.projector(embedding, training=training) for embedding in embeddings]
        predictions = [self.predictor(target, training=training) for target in targets]
        return 0.5 * (
            negative_cosine(predictions[0], targets[1])
            + negative_cosine(predictions[1], targets[0])
        )


def negative_cosine(prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean of -cos(prediction, target) over rows [B, E]; no gradient reaches `target`."""
    cosine = tf.reduce_sum(unit(prediction) * unit(tf.stop_gradient(target)), axis=-1)
    return -tf.reduce_mean(cosine)
