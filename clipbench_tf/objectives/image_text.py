"""Signal 1: image-text InfoNCE, equations 1 and 2."""

import tensorflow as tf

from clipbench_tf.features import Features, unit
from clipbench_tf.objectives.info_nce import symmetric_info_nce
from clipbench_tf.objectives.objective import Objective, view


class ImageText(Objective):
    """L_CLIP of equation 2, between one image view and one text view.

    Args:
        weight: of the loss in the method's sum.
        image_view, text_view: the numbers of the views.
    """

    def __init__(
        self,
        *,
        weight: float = 1.0,
        image_view: int = 0,
        text_view: int = 0,
        name: str = "image_text",
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.image_view, self.text_view = image_view, text_view

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        image = view(features.images, self.image_view, "image", self.name)
        text = view(features.texts, self.text_view, "text", self.name)
        return symmetric_info_nce(unit(image.embedding), unit(text.embedding), features.scale)
