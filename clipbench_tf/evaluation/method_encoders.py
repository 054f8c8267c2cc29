"""`Encoders` of a method in memory."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.data.text.trimming import longest
from clipbench_tf.evaluation import pictures
from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.evaluation.scorers import Scorer
from clipbench_tf.features import ImageFeatures, TextFeatures
from clipbench_tf.method import Method


class MethodEncoders:
    """`Encoders` of a method in memory, always with the method's present weights.

    Args:
        method: the model, built.
        tokenizer: string [B] -> int32 [B, L].
        scorer: the method's own similarity.
        image_size: in pixels, as the image tower expects.
        resize: the shorter side of a picture becomes resize * image_size before the centre crop;
            1 where objects fill their pictures.
        interpolation: of the resize, "bilinear" or "bicubic".
        exact: compute in float32, whatever precision the method trains in. Runs and exports are
            both evaluated so: their numbers agree, and no machine has to emulate bfloat16, which
            is 5 to 10 times slower.
    """

    feature_kind = "pooled"

    def __init__(
        self,
        method: Method,
        *,
        tokenizer: Tokenizer | HubTokenizer,
        scorer: Scorer,
        image_size: int,
        resize: float = 256 / 224,
        interpolation: str = "bilinear",
        exact: bool = False,
    ) -> None:
        self.exact = exact
        self.method, self.tokenizer, self.scorer = method, tokenizer, scorer
        self.image_size, self.resize = image_size, resize
        self.interpolation = interpolation
        self.represent_images = tf.function(
            self._represent_images, input_signature=[tf.TensorSpec([None], tf.string)]
        )
        self.represent_classes = tf.function(
            self._represent_classes, input_signature=[tf.TensorSpec([None, None], tf.string)]
        )
        self.image_features = tf.function(
            self._image_features, input_signature=[tf.TensorSpec([None], tf.string)]
        )
        self.score = tf.function(self._score, reduce_retracing=True)
        self.score_texts = tf.function(self._score_texts, reduce_retracing=True)

    def pixels(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """String [B] -> uint8 [B, H, W, 3], and bool [B]: false where the bytes are no image."""
        return pictures.decode(encoded, self.image_size, self.resize, self.interpolation)

    def embed_dim(self) -> int:
        """The width of the embeddings of both towers."""
        ids = tf.zeros([1, self.tokenizer.context_length], tf.int32)
        return int(self.method.text_encoder(ids, training=False).embedding.shape[-1])

    def images(self, pixels: tf.Tensor) -> ImageFeatures:
        """uint8 [B, H, W, 3] -> features."""
        with self.precision():
            return self.method.image_encoder(pixels, training=False)

    def texts(self, texts: tf.Tensor) -> TextFeatures:
        """String [B] -> features, trimmed to the longest text unless the scorer counts padding."""
        ids = self.tokenizer(texts)
        if not self.scorer.whole_texts:
            ids = ids[:, : longest(ids, end=self.tokenizer.vocabulary.end)]
        with self.precision():
            return self.method.text_encoder(ids, training=False)

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """A context in which the layers of the method compute in float32 if `exact`."""
        layers = list(self.method._flatten_layers()) if self.exact else []
        policies = [layer.dtype_policy for layer in layers]
        try:
            for layer in layers:
                layer.dtype_policy = "float32"
            yield
        finally:
            for layer, policy in zip(layers, policies, strict=True):
                layer.dtype_policy = policy

    def _score(self, images: Representation, classes: Representation) -> tf.Tensor:
        with self.precision():
            return self.scorer.score(images, classes)

    def _score_texts(self, classes: Representation, images: Representation) -> tf.Tensor:
        with self.precision():
            return self.scorer.score_texts(classes, images)

    def _image_features(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, valid = self.pixels(encoded)
        return tf.cast(self.images(pixels).pooled, tf.float32), valid

    def _represent_images(self, encoded: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        pixels, valid = self.pixels(encoded)
        with self.precision():
            return self.scorer.images(self.images(pixels)), valid

    def _represent_classes(self, prompts: tf.Tensor) -> Representation:
        with self.precision():
            texts = self.scorer.texts(self.texts(tf.reshape(prompts, [-1])))
            return self.scorer.classes(
                {
                    name: tf.reshape(value, tf.concat([tf.shape(prompts), tf.shape(value)[1:]], 0))
                    for name, value in texts.items()
                }
            )
