"""`Encoders` of a method in memory."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.types.experimental import ConcreteFunction

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
        self._traces: dict[Callable, ConcreteFunction] = {}

    def pixels(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """String [B] -> uint8 [B, H, W, 3], and bool [B]: false where the bytes are no image."""
        return self._traced(self._pixels, encoded)

    def embed_dim(self) -> int:
        """The width of the embeddings of both towers."""
        ids = tf.zeros([1, self.tokenizer.context_length], tf.int32)
        return int(self.method.text_encoder(ids, training=False).embedding.shape[-1])

    def images(self, pixels: tf.Tensor) -> ImageFeatures:
        """uint8 [B, H, W, 3] -> features."""
        return self._traced(self._images, pixels)

    def texts(self, texts: tf.Tensor) -> TextFeatures:
        """String [B] -> features, trimmed to the longest text unless the scorer counts padding."""
        return self._traced(self._texts, texts)

    def represent_images(self, encoded: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        """See `Encoders`."""
        pixels, valid = self.pixels(encoded)
        return self._traced(self.scorer.images, self.images(pixels)), valid

    def image_features(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Encoders`."""
        pixels, valid = self.pixels(encoded)
        return tf.cast(self.images(pixels).pooled, tf.float32), valid

    def represent_classes(self, prompts: tf.Tensor) -> Representation:
        """See `Encoders`."""
        return self._traced(self.classes, self.texts(tf.reshape(prompts, [-1])), prompts)

    def score(self, images: Representation, classes: Representation) -> tf.Tensor:
        """See `Encoders`."""
        return self._traced(self.scorer.score, images, classes)

    def score_texts(self, classes: Representation, images: Representation) -> tf.Tensor:
        """See `Encoders`."""
        return self._traced(self.scorer.score_texts, classes, images)

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

    def _pixels(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return pictures.decode(encoded, self.image_size, self.resize, self.interpolation)

    def _images(self, pixels: tf.Tensor) -> ImageFeatures:
        return self.method.image_encoder(pixels, training=False)

    def _texts(self, texts: tf.Tensor) -> TextFeatures:
        ids = self.tokenizer(texts)
        if not self.scorer.whole_texts:
            ids = ids[:, : longest(ids, end=self.tokenizer.vocabulary.end)]
        return self.method.text_encoder(ids, training=False)

    def classes(self, features: TextFeatures, prompts: tf.Tensor) -> Representation:
        """The representations of C classes, by the features of their prompts, string [C, T]."""
        texts = {
            name: tf.reshape(value, tf.concat([tf.shape(prompts), tf.shape(value)[1:]], 0))
            for name, value in self.scorer.texts(features).items()
        }
        return self.scorer.classes(texts)

    def _traced(self, function: Callable, *inputs: Any) -> Any:
        """`function` of `inputs`, by one graph for all their shapes, and for all callers.

        (A tf.function has a graph for the scope of a strategy and another one outside.) Making
        graphs is most of what evaluation takes while a small model trains. Within a graph that
        somebody else makes, such as a signature of an export, it becomes a part of that.
        """
        inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        if tf.inside_function():
            with self.precision():
                return function(*inputs)
        if function not in self._traces:
            specs = tf.nest.map_structure(_spec, inputs)
            with self.precision():
                made = tf.function(function, autograph=False).get_concrete_function(*specs)
            self._traces[function] = made
        return self._traces[function](*inputs)


def _spec(value: tf.Tensor) -> tf.TensorSpec:
    """Of any number of items, prompts and tokens; pictures and vectors are as large as `value`."""
    kept = 3 if value.dtype == tf.uint8 else int(value.dtype.is_floating)
    free = value.shape.rank - kept
    return tf.TensorSpec([None] * free + value.shape[free:], value.dtype)
