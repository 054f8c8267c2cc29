"""The similarity of pictures and texts: pooled cosine, or FILIP's late interaction.

A scorer turns tower outputs into representations (dicts of named tensors, so that they can be
inputs and outputs of a SavedModel's signatures), joins the prompts of each class, and scores.
"""

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.features import ImageFeatures, TextFeatures, unit
from clipbench_tf.method import Method
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.similarity.token_similarity import token_similarity

_COSINES = 2**24  # bytes of the cosines of some pictures and all words, in memory at once
_Tokens = tuple[tf.Tensor, tf.Tensor]  # with their mask


class Scorer(Protocol):
    """What evaluation and export need of a method's similarity."""

    name: str
    whole_texts: bool  # whether texts must be encoded with their padding

    def images(self, features: ImageFeatures) -> Representation:
        """Represents B images: tensors [B, ...]."""

    def texts(self, features: TextFeatures) -> Representation:
        """Represents N prompts: tensors [N, ...]."""

    def classes(self, texts: Representation) -> Representation:
        """Joins the T prompts of each of C classes: tensors [C, T, ...] -> [C, ...]."""

    def score(self, images: Representation, classes: Representation) -> tf.Tensor:
        """Similarities in [-1, 1], float32 [B, C], before any temperature."""

    def score_texts(self, classes: Representation, images: Representation) -> tf.Tensor:
        """Similarities of texts to pictures in [-1, 1], float32 [C, B]."""

    def scale(self) -> tf.Tensor:
        """Scalar, 1 / temperature: logits are scale times scores."""


class Cosine:
    """Cosine of the pooled embeddings, for CLIP, SLIP, DeCLIP and DeFILIP.

    A class is the mean of its normalised prompts, normalised again (Radford et al. 2021).
    """

    name = "cosine"
    whole_texts = False

    def __init__(self, *, scale: Callable[[], tf.Tensor]) -> None:
        self.scale = scale

    def images(self, features: ImageFeatures) -> Representation:
        """{"embedding": unit vectors [B, E]}."""
        return {"embedding": unit(features.embedding)}

    def texts(self, features: TextFeatures) -> Representation:
        """{"embedding": unit vectors [N, E]}."""
        return {"embedding": unit(features.embedding)}

    def classes(self, texts: Representation) -> Representation:
        """{"embedding": unit vectors [C, E]}."""
        return {"embedding": unit(tf.reduce_mean(texts["embedding"], axis=1))}

    def score(self, images: Representation, classes: Representation) -> tf.Tensor:
        """Cosines, float32 [B, C]."""
        return tf.matmul(images["embedding"], classes["embedding"], transpose_b=True)

    def score_texts(self, classes: Representation, images: Representation) -> tf.Tensor:
        """Cosines, float32 [C, B]."""
        return tf.transpose(self.score(images, classes))


class LateInteraction:
    """Equation 4. sim^I: mean over patches of the highest cosine to any word of a prompt.

    `score_texts` is sim^T: mean over the words of a prompt of the highest cosine to any patch.

    The score of a class is the mean of its prompts' scores (Yao et al. 2021, section 3.4): words
    of different prompts are never mixed, so prompts keep their own lengths. A prompt without a
    word scores 0.

    Deviates: the released code averages the unit tokens of prompts position by position and
    divides by one norm of the whole matrix (`average_positions`), over all 77 positions (the
    objective's `count_padding`, which `whole_texts` must follow).

    Args:
        image_tokens: `ImageFeatures` -> unit vectors float32 [B, P, D].
        text_tokens: `TextFeatures` -> unit vectors float32 [N, L, D], and bool [N, L], true for
            tokens that count.
        scale: 1 / temperature.
        average_positions: whether to join prompts as the released code does.
        whole_texts: whether padding counts, so that texts must not be trimmed.
    """

    name = "late_interaction"

    def __init__(
        self,
        *,
        image_tokens: Callable[[ImageFeatures], tf.Tensor],
        text_tokens: Callable[[TextFeatures], tuple[tf.Tensor, tf.Tensor]],
        scale: Callable[[], tf.Tensor],
        average_positions: bool = False,
        whole_texts: bool = False,
    ) -> None:
        self.image_tokens, self.text_tokens, self.scale = image_tokens, text_tokens, scale
        self.average_positions, self.whole_texts = average_positions, whole_texts

    def images(self, features: ImageFeatures) -> Representation:
        """{"tokens": unit vectors [B, P, D]}."""
        return {"tokens": self.image_tokens(features)}

    def texts(self, features: TextFeatures) -> Representation:
        """{"tokens": unit vectors [N, L, D], "mask": bool [N, L]}."""
        tokens, mask = self.text_tokens(features)
        return {"tokens": tokens, "mask": mask}

    def classes(self, texts: Representation) -> Representation:
        """{"tokens": [C, T, L, D], "mask": bool [C, T, L]}; T = 1 if positions are averaged."""
        if not self.average_positions:
            return texts
        tokens = tf.reduce_mean(texts["tokens"], axis=1, keepdims=True)
        tokens /= tf.norm(tokens, axis=[2, 3], keepdims=True)
        return {"tokens": tokens, "mask": tf.reduce_any(texts["mask"], axis=1, keepdims=True)}

    def score(self, images: Representation, classes: Representation) -> tf.Tensor:
        """sim^I, mean over the prompts of a class, float32 [B, C]."""
        return _by_groups(lambda p, w: token_similarity(*p, *w), images, classes)

    def score_texts(self, classes: Representation, images: Representation) -> tf.Tensor:
        """sim^T, mean over the prompts of a class, float32 [C, B]."""
        scores = _by_groups(lambda p, w: tf.transpose(token_similarity(*w, *p)), images, classes)
        return tf.transpose(scores)


def _by_groups(
    score_some: Callable[[_Tokens, _Tokens], tf.Tensor],
    images: Representation,
    classes: Representation,
) -> tf.Tensor:
    """Token-wise similarities of B pictures and C classes, mean over prompts, float32 [B, C].

    Args:
        score_some: patches [G, P, D] and words [N, L, D], with masks -> float32 [G, N].
        images: {"tokens": [B, P, D]}.
        classes: {"tokens": [C, T, L, D], "mask": [C, T, L]}.
    """
    words, mask, patches = classes["tokens"], classes["mask"], images["tokens"]
    count, prompts, length = tf.unstack(tf.shape(mask))
    words = tf.reshape(words, [count * prompts, length, words.shape[-1]])
    mask = tf.reshape(mask, [count * prompts, length])
    batch, places = tf.unstack(tf.shape(patches)[:2])
    # All patches against all words at once would be gigabytes.
    together = tf.maximum(1, _COSINES // (4 * places * tf.maximum(1, tf.size(mask))))
    together = tf.minimum(together, tf.maximum(1, batch))
    groups = tf.maximum(1, -(-batch // together))  # one for no pictures, too
    filled = tf.pad(patches, [[0, groups * together - batch], [0, 0], [0, 0]])
    every = tf.ones([together, places], tf.bool)
    scores = tf.map_fn(
        lambda group: score_some((group, every), (words, mask)),
        tf.reshape(filled, [groups, together, places, patches.shape[-1]]),
        fn_output_signature=tf.TensorSpec([None, None], tf.float32),
        parallel_iterations=1,
    )
    scores = tf.reshape(scores, [groups * together, count, prompts])[:batch]
    return tf.reduce_mean(scores, axis=2)


def cosine(method: Method) -> Scorer:
    """`Cosine` with the temperature of `method`.

    Args:
        method: trained on pooled embeddings.
    """
    return Cosine(scale=method.scale)


def late_interaction(method: Method, *, average_positions: bool = False) -> Scorer:
    """`LateInteraction` with the heads and temperature of the method's `FineGrained` objective.

    Args:
        method: trained with that objective.
        average_positions: whether to average the prompts of a class position by position, as the
            released code does.

    Raises:
        ValueError: if the method has no such objective, or several.
    """
    found = [o for o in method.objectives if isinstance(o, FineGrained)]
    if len(found) != 1:
        raise ValueError(
            f"Late interaction needs the heads of exactly one FineGrained objective, but "
            f"{method.name} has {len(found)}; bind the scorer `cosine` or one such objective."
        )
    (objective,) = found
    return LateInteraction(
        image_tokens=objective.image_tokens,
        text_tokens=objective.text_tokens,
        scale=lambda: tf.exp(tf.convert_to_tensor(objective.logit_scale_dense)),
        average_positions=average_positions,
        # The norm over averaged positions includes padding, so its length must not vary.
        whole_texts=objective.count_padding or average_positions,
    )
