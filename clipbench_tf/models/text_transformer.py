"""Causal transformer text tower with end-token pooling, as in CLIP (Radford et al. 2021)."""

import keras
import tensorflow as tf

from clipbench_tf.data.text.vocabulary import MERGES, Vocabulary, clip
from clipbench_tf.features import TextFeatures
from clipbench_tf.models.layers.dense import Dense
from clipbench_tf.models.layers.packing import Packing
from clipbench_tf.models.transformer import Transformer, layer_norm, normal


class TextTransformer(keras.layers.Layer):
    """Token ids -> transformer -> output at the end token -> projection.

    Call shape: int32 [B, L], L <= context_length -> `TextFeatures`: embedding [B, embed_dim],
    tokens [B, L, width] after the last norm, mask [B, L]. A row without an end token is pooled
    at position 0. With `packed=True`, padding is left out (see `packing.py`): its tokens are zero
    or mean nothing, all else is the same, sooner.

    Deviates: the paper's released code gives the projection a bias; CLIP's has none
    (`projection_bias`).

    Args:
        context_length: largest L.
        merges: number of merges of the tokenizer.
        vocabulary_size: number of token embeddings, by default one for each id of the tokenizer
            (OpenAI's weights have none for the mask).
        width: D of the tower, a multiple of `heads`.
        depth: number of blocks.
        heads: number of attention heads of a block.
        embed_dim: width of the shared space.
        projection_bias: whether the projection has a bias.
        recompute: trade time for memory (see `Transformer`).
        activation: of the blocks (see `Transformer`).
    """

    def __init__(
        self,
        *,
        context_length: int = 77,
        merges: int = MERGES,
        vocabulary_size: int | None = None,
        width: int = 512,
        depth: int = 12,
        heads: int = 8,
        embed_dim: int = 512,
        projection_bias: bool = False,
        recompute: bool = False,
        activation: str = "quick_gelu",
        name: str = "text",
    ) -> None:
        super().__init__(name=name)
        self.context_length, self.width, self.embed_dim = context_length, width, embed_dim
        self.vocabulary = clip(merges)
        self.token_embedding = keras.layers.Embedding(
            vocabulary_size or self.vocabulary.size,
            width,
            embeddings_initializer=normal(0.02),
            name="token_embedding",
        )
        self.transformer = Transformer(
            width=width,
            heads=heads,
            depth=depth,
            causal=True,
            recompute=recompute,
            activation=activation,
        )
        self.ln_final = layer_norm("ln_final")
        self.proj = Dense(
            embed_dim, use_bias=projection_bias, kernel_initializer=normal(width**-0.5), name="proj"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.positional_embedding = self.add_weight(
            (self.context_length, self.width), normal(0.01), name="positional_embedding"
        )

    def call(self, ids: tf.Tensor, packed: bool = False) -> TextFeatures:
        positions = tf.cast(self.positional_embedding, self.compute_dtype)
        # By the end token's id, not by the highest id: the mask token is higher than the end token.
        ends = tf.cast(tf.equal(ids, self.vocabulary.end), tf.int32)
        if packed:
            packing = Packing(tf.cumsum(ends, axis=1, exclusive=True) < 1)
            x = self.token_embedding(packing.pack(tf.reshape(ids, [-1])))
            x += tf.gather(positions, packing.columns)
            x = packing.unpack(self.ln_final(self.transformer(x, packing=packing)))
            x = tf.reshape(x, [-1, packing.length, self.width])
        else:
            x = self.token_embedding(ids) + positions[: tf.shape(ids)[1]]
            x = self.ln_final(self.transformer(x))
        pooled = tf.gather(x, tf.argmax(ends, axis=1), axis=1, batch_dims=1)
        return TextFeatures(self.proj(pooled), x, word_mask(ids, self.vocabulary))


def word_mask(ids: tf.Tensor, vocabulary: Vocabulary) -> tf.Tensor:
    """bool [B, L]: true where `ids` [B, L] holds a word piece or a mask token.

    Padding is what follows the end token; its id (0) is also that of the piece "!".
    """
    before_end = tf.cumsum(tf.cast(tf.equal(ids, vocabulary.end), tf.int32), axis=1) < 1
    return before_end & (ids != vocabulary.start)
