"""A method in memory behind the evaluators' protocol."""

import tensorflow as tf

from clipbench_tf.data.tokenizer import Tokenizer
from clipbench_tf.data.trimming import longest
from clipbench_tf.evaluation import pictures
from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.evaluation.scorers import Scorer
from clipbench_tf.features import ImageFeatures, TextFeatures
from clipbench_tf.method import Method


class MethodEncoders:
    """`Encoders` of a method in memory; follows its weights as they are trained.

    Args:
        method: the model, built.
        tokenizer: string [B] -> int32 [B, L].
        scorer: the method's own similarity.
        image_size: in pixels, as the image tower expects.
        resize: the shorter side of a picture becomes resize * image_size before the centre is
            cut out; 1 where pictures fill their frame.
    """

    def __init__(
        self,
        method: Method,
        *,
        tokenizer: Tokenizer,
        scorer: Scorer,
        image_size: int,
        resize: float = 256 / 224,
    ) -> None:
        self.method, self.tokenizer, self.scorer = method, tokenizer, scorer
        self.image_size, self.resize = image_size, resize
        self.represent_images = tf.function(
            self._represent_images, input_signature=[tf.TensorSpec([None], tf.string)]
        )
        self.represent_classes = tf.function(
            self._represent_classes, input_signature=[tf.TensorSpec([None, None], tf.string)]
        )
        self.score = tf.function(self.scorer.score, reduce_retracing=True)

    def pixels(self, encoded: tf.Tensor) -> tf.Tensor:
        """String [B] -> uint8 [B, H, W, 3]; raises where the bytes are no image."""
        return pictures.decode_all(encoded, self.image_size, self.resize)

    def images(self, pixels: tf.Tensor) -> ImageFeatures:
        """uint8 [B, H, W, 3] -> features."""
        return self.method.image_encoder(pixels, training=False)

    def texts(self, texts: tf.Tensor) -> TextFeatures:
        """String [B] -> features, L being the length of the longest of these texts."""
        ids = self.tokenizer(texts)
        if not self.scorer.whole_texts:
            ids = ids[:, : longest(ids)]
        return self.method.text_encoder(ids, training=False)

    def _represent_images(self, encoded: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        pixels, valid = pictures.decode(encoded, self.image_size, self.resize)
        return self.scorer.images(self.images(pixels)), valid

    def _represent_classes(self, prompts: tf.Tensor) -> Representation:
        texts = self.scorer.texts(self.texts(tf.reshape(prompts, [-1])))
        return self.scorer.classes(
            {
                name: tf.reshape(value, tf.concat([tf.shape(prompts), tf.shape(value)[1:]], 0))
                for name, value in texts.items()
            }
        )
