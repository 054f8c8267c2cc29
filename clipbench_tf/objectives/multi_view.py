"""Multi-view supervision: every image view with every caption view (DeCLIP, Li et al. 2021)."""

from collections.abc import Sequence

import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.features import Features, unit
from clipbench_tf.objectives.info_nce import cross_entropy
from clipbench_tf.objectives.objective import Objective, view


class MultiView(Objective):
    """L_MVS of equations 6 and 7: the mean of equation 2 over pairs of views.

    Deviates: the released code has no L_MVS beside L_CLIP, but one mean over all four pairs with
    the weight of L_CLIP alone, 0.4. To get it, bind `weight = 0.3` here, for three of the pairs,
    and `ImageText.weight = 0.1` for the other.

    Args:
        weight: beta of equations 6 and 7.
        pairs: tuples (image view, text view); by default all 2 x 2 but (0, 0), that of L_CLIP.
    """

    def __init__(
        self,
        *,
        weight: float = 0.2,
        pairs: Sequence[tuple[int, int]] = ((0, 1), (1, 0), (1, 1)),
        name: str = "multi_view",
    ) -> None:
        super().__init__(weight=weight, name=name)
        if not pairs:
            raise ValueError(f"Objective {name} needs at least one pair of views.")
        self.pairs = [(image, text) for image, text in pairs]

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        images = {
            i: unit(view(features.images, i, "image", self.name).embedding)
            for i in sorted({image for image, _ in self.pairs})
        }
        texts = {
            t: unit(view(features.texts, t, "text", self.name).embedding)
            for t in sorted({text for _, text in self.pairs})
        }
        return mean_over_pairs(images, texts, self.pairs, features.scale)


def mean_over_pairs(
    images: dict[int, tf.Tensor],
    texts: dict[int, tf.Tensor],
    pairs: Sequence[tuple[int, int]],
    scale: tf.Tensor,
    symmetric: bool = True,
) -> tf.Tensor:
    """The mean of equation 2 over `pairs`; each view is gathered across replicas once.

    Args:
        images: view -> [B, E], unit length.
        texts: view -> [B, E], unit length; row i belongs to row i of the images.
        pairs: tuples (image view, text view).
        scale: 1 / temperature.
        symmetric: whether to use equation 2; otherwise equation 1, image to text only.

    Returns:
        float32 scalar; log(replicas * B) if all embeddings are equal.
    """
    all_texts = {t: replicas.gather(x) for t, x in texts.items()}
    losses = [
        cross_entropy(scale * tf.matmul(images[i], all_texts[t], transpose_b=True))
        for i, t in pairs
    ]
    if symmetric:
        all_images = {i: replicas.gather(x) for i, x in images.items()}
        losses += [
            cross_entropy(scale * tf.matmul(texts[t], all_images[i], transpose_b=True))
            for i, t in pairs
        ]
    return tf.add_n(losses) / len(losses)
