"""Any KerasHub backbone as text tower."""

import keras
import tensorflow as tf

from clipbench_tf import hub_preset
from clipbench_tf.data.text.hub_tokenizer import vocabulary_of
from clipbench_tf.features import TextFeatures
from clipbench_tf.models.text_transformer import word_mask
from clipbench_tf.models.transformer import normal

# How KerasHub's backbones pool a text; their outputs do not show it.
_POOLED = ("BertBackbone", "AlbertBackbone", "ElectraBackbone")  # into an output of its own
_FIRST = (  # at the first token
    "DistilBertBackbone",
    "RobertaBackbone",
    "XLMRobertaBackbone",
    "DebertaV3Backbone",
)
_CAUSAL = ("CLIPTextEncoder",)  # at the end token


class HubText(keras.layers.Layer):
    """A pre-trained backbone -> pooled -> projection.

    Call shape: int32 [B, L] of a `HubTokenizer` of the same preset -> `TextFeatures`: embedding
    [B, embed_dim], tokens [B, L, D], mask [B, L]. The pooled vector is the backbone's own where it
    has one (BERT, ALBERT, ELECTRA, SigLIP), the first token of other bidirectional ones
    (DistilBERT, RoBERTa, XLM-RoBERTa, DeBERTa), the end token of causal ones (CLIP).

    Args:
        preset: a folder or a name (see `hub_preset.backbone`).
        context_length: largest L, at most that of the preset.
        embed_dim: width of the shared space.
        locked: freeze the backbone; only the projection is trained.

    Raises:
        ValueError: if the preset has no tokenizer; when built, if it has no backbone or fewer
            positions, or if it is not known how its backbone pools.
    """

    def __init__(
        self,
        *,
        preset: str,
        context_length: int,
        embed_dim: int = 512,
        locked: bool = False,
        name: str = "text",
    ) -> None:
        super().__init__(name=name)
        self.preset, self.context_length, self.embed_dim = preset, context_length, embed_dim
        self.locked, self.vocabulary = locked, vocabulary_of(preset)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        backbone = hub_preset.backbone(self.preset, "text_encoder")
        longest = getattr(backbone, "max_sequence_length", self.context_length)
        if self.context_length > longest:
            raise ValueError(
                f"context_length is {self.context_length}, but the preset {self.preset!r} is made "
                f"for at most {longest} tokens."
            )
        kind = type(backbone).__name__
        # SigLIP's needs all of its positions, as it pools the last one.
        self.fixed = longest if kind == "SigLIPTextEncoder" else None
        self.causal = kind in _CAUSAL
        self.backbone = _with_tokens(backbone, self.preset)
        self.backbone.trainable = not self.locked
        width = self.backbone.output[0].shape[-1]
        self.proj = keras.layers.Dense(
            self.embed_dim, use_bias=False, kernel_initializer=normal(width**-0.5), name="proj"
        )
        self.proj.build((None, width))

    def call(self, ids: tf.Tensor, training: bool = False) -> TextFeatures:
        length, padded = tf.shape(ids)[1], ids
        if self.fixed is not None:
            more = self.fixed - length
            padded = tf.pad(ids, [[0, 0], [0, more]], constant_values=self.vocabulary.pad)
        # 1 up to the end token, which is included.
        after = tf.cumsum(tf.cast(padded == self.vocabulary.end, tf.int32), axis=1, exclusive=True)
        inputs = {
            "token_ids": padded,
            "padding_mask": tf.cast(after < 1, tf.int32),
            "segment_ids": tf.zeros_like(padded),
        }
        names = [tensor.name for tensor in self.backbone.inputs]
        pooled, tokens = self.backbone(
            [inputs[name] for name in names], training=training and not self.locked
        )
        tokens = tokens[:, :length]
        if self.causal:
            end = tf.argmax(tf.cast(ids == self.vocabulary.end, tf.int32), axis=1)
            pooled = tf.gather(tokens, end, axis=1, batch_dims=1)
        if self.locked:
            pooled, tokens = tf.stop_gradient(pooled), tf.stop_gradient(tokens)
        return TextFeatures(self.proj(pooled), tokens, word_mask(ids, self.vocabulary))


def _with_tokens(backbone: keras.Model, preset: str) -> keras.Model:
    """A model of ids (and other inputs) -> (pooled [B, D], tokens [B, L, D])."""
    output, kind = backbone.output, type(backbone).__name__
    if kind in _POOLED:
        pooled, tokens = output["pooled_output"], output["sequence_output"]
    elif kind in _CAUSAL + _FIRST:
        tokens = output["sequence_output"] if isinstance(output, dict) else output
        pooled = tokens[:, 0]
    elif kind == "SigLIPTextEncoder":
        pooled, tokens = output, backbone.post_layer_norm.output
    else:
        raise ValueError(
            f"The backbone of {preset!r}, {kind}, is not one whose pooling is known; choose "
            f"one of {', '.join(_POOLED + _FIRST + _CAUSAL)} or SigLIPTextEncoder."
        )
    inputs = [backbone.input[name] for name in sorted(backbone.input)]
    return keras.Model(inputs, (pooled, tokens), name="backbone")
