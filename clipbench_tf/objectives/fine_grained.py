"""Signal 5: fine-grained alignment of patches and words (FILIP, Yao et al. 2021), equation 4."""

import math

import keras
import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.features import Features, ImageFeatures, TextFeatures, unit
from clipbench_tf.objectives.heads import Linear
from clipbench_tf.objectives.info_nce import cross_entropy
from clipbench_tf.objectives.objective import Objective, view
from clipbench_tf.objectives.similarity.blockwise_similarity import both_ways, one_way
from clipbench_tf.objectives.similarity.token_selection import (
    batch_scores,
    keep_best,
    own_pair_scores,
)

SELECTION_SCORES = {"batch": batch_scores, "own_pair": own_pair_scores}


class FineGrained(Objective):
    """L_FAS of equations 5 and 7: equation 2 with the token-wise similarity of equation 4.

    The queries are all patches and words of this replica. The keys are the tokens of each item
    with the highest selection score, and only keys are gathered from the other replicas. (The
    paper leaves open whether selection also reduces the queries; the released code does not.)
    Start, end and padding are neither queries nor keys; a text without words has similarity 0
    to all pictures.

    Deviates: the released code keeps 16 tokens of each item (`selection_count=16`), those with
    the largest sum of cosines to the tokens of their own partner
    (`selection_score="own_pair"`), and counts start, end and padding (`count_padding=True`).

    Args:
        weight: 1 in equation 5, lambda = 0.2 in equation 7.
        image_view: view of the picture.
        text_view: view of the caption.
        width: of the space that the tokens of both towers are mapped to.
        temperature: initial value of this objective's own learnable temperature.
        temperature_range: bounds that the temperature is clipped to after each step.
        selection: share of an item's own tokens that are keys, rounded up; 1 selects all.
        selection_count: number of keys of each item, instead of a share.
        selection_score: "batch" (section 3.3) or "own_pair".
        count_padding: whether start, end and padding count as words; the pipeline must not trim
            captions then.

    Raises:
        ValueError: for a selection or a temperature out of range, or an unknown score.
    """

    def __init__(
        self,
        *,
        weight: float = 1.0,
        image_view: int = 0,
        text_view: int = 0,
        width: int = 256,
        temperature: float = 0.07,
        temperature_range: tuple[float, float] = (0.01, 1.0),
        selection: float = 0.25,
        selection_count: int | None = None,
        selection_score: str = "batch",
        count_padding: bool = False,
        name: str = "fine_grained",
    ) -> None:
        super().__init__(weight=weight, name=name)
        low, high = temperature_range
        if not 0 < low <= temperature <= high:
            raise ValueError(
                f"temperature {temperature} is outside temperature_range {temperature_range}."
            )
        if not 0 < selection <= 1:
            raise ValueError(f"selection is {selection}; it must be above 0 and at most 1.")
        if selection_count is not None and selection_count < 1:
            raise ValueError(f"selection_count is {selection_count}; it must be at least 1.")
        if selection_score not in SELECTION_SCORES:
            raise ValueError(
                f"selection_score {selection_score!r} is none of {', '.join(SELECTION_SCORES)}."
            )
        self.image_view, self.text_view, self.count_padding = image_view, text_view, count_padding
        self.selection, self.selection_count = selection, selection_count
        self.selection_score = SELECTION_SCORES[selection_score]
        self._start = math.log(1 / temperature)
        self._bounds = (math.log(1 / high), math.log(1 / low))
        self.image_mapping = Linear(width, name="image_mapping")
        self.text_mapping = Linear(width, name="text_mapping")

    def build(self, features_shape: Features) -> None:
        image = view(features_shape.images, self.image_view, "image", self.name)
        text = view(features_shape.texts, self.text_view, "text", self.name)
        self.image_mapping.build(image.tokens)
        self.text_mapping.build(text.tokens)
        self.logit_scale_dense = self.add_weight(
            (),
            keras.initializers.Constant(self._start),
            constraint=lambda value: tf.clip_by_value(value, *self._bounds),
            name="logit_scale_dense",
        )

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        images = self.image_tokens(view(features.images, self.image_view, "image", self.name))
        texts, words = self.text_tokens(view(features.texts, self.text_view, "text", self.name))
        patches = tf.ones(tf.shape(images)[:2], tf.bool)
        # Most of the work, done in the compute dtype ("carefully reduce the precision", 3.3).
        images, texts = (tf.cast(x, self.image_mapping.compute_dtype) for x in (images, texts))
        image_keys, text_keys = self._keys(images, patches, texts, words)
        scale = tf.exp(tf.convert_to_tensor(self.logit_scale_dense))
        if self._selects() or replicas.count() > 1:
            of_images = one_way(images, patches, *text_keys)
            of_texts = one_way(texts, words, *image_keys)
        else:
            of_images, of_texts = both_ways(images, patches, texts, words)
        return 0.5 * (cross_entropy(scale * of_images) + cross_entropy(scale * of_texts))

    def image_tokens(self, features: ImageFeatures) -> tf.Tensor:
        """The mapped patches of each picture: float32 [B, P, width], unit length."""
        return unit(self.image_mapping(features.tokens))

    def text_tokens(self, features: TextFeatures) -> tuple[tf.Tensor, tf.Tensor]:
        """The mapped words of each text: float32 [B, L, width], unit length, and their mask."""
        mask = tf.ones_like(features.mask) if self.count_padding else features.mask
        return unit(self.text_mapping(features.tokens)), mask

    def _selects(self) -> bool:
        return self.selection < 1 or self.selection_count is not None

    def _keys(
        self, images: tf.Tensor, patches: tf.Tensor, texts: tf.Tensor, words: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """Keys and their mask, of the pictures and of the texts of all replicas."""
        if self._selects():
            of_patches, of_words = self.selection_score(images, texts, words)
            share, count = self.selection, self.selection_count
            images, patches = keep_best(images, patches, of_patches, share, count)
            texts, words = keep_best(texts, words, of_words, share, count)
        return _gathered(images, patches), _gathered(texts, words)


def _gathered(tokens: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Gathers all replicas' tokens: [B, K, D] -> [replicas * B, K', D], K' being the largest K."""
    if replicas.count() == 1:
        return tokens, mask
    places = tf.shape(mask)[1]
    missing = replicas.largest(places) - places
    tokens = tf.pad(tokens, [[0, 0], [0, missing], [0, 0]])
    mask = tf.pad(tf.cast(mask, tf.float16), [[0, 0], [0, missing]])
    return replicas.gather(tokens), replicas.gather(mask) > 0
