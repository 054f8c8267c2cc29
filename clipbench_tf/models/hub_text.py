"""Any KerasHub backbone as text tower."""

import keras
import tensorflow as tf

from clipbench_tf import hub_preset
from clipbench_tf.data.text.hub_tokenizer import vocabulary_of
from clipbench_tf.features import TextFeatures
from clipbench_tf.models.text_transformer import word_mask
from clipbench_tf.models.transformer import normal

# Where KerasHub's backbones gather what a text says: nothing in their outputs tells.
_POOLED = ("BertBackbone", "AlbertBackbone", "ElectraBackbone")  # in a vector
_FIRST = (  # in the first token
    "DistilBertBackbone",
    "RobertaBackbone",
    "XLMRobertaBackbone",
    "DebertaV3Backbone",
)
_CAUSAL = ("CLIPTextEncoder",)  # in the end token


class HubText(keras.layers.Layer):
    """A pre-trained backbone -> pooled -> projection.

    Call shape: int32 [B, L] of a `HubTokenizer` of the same preset -> `TextFeatures`: embedding
    [B, embed_dim], tokens [B, L, D], mask [B, L]. Pooled is the backbone's own vector where it has
    one (BERT, ALBERT, ELECTRA, SigLIP), else the first token of one that reads both ways
    (DistilBERT, RoBERTa, XLM-RoBERTa, DeBERTa), or the end token of one that is causal (CLIP).

    Args:
        preset: a folder or a name (see `hub_preset.backbone`).
        context_length: L at most; within what the preset was made for.
        embed_dim: width of the shared space.
        locked: keep the backbone as it is; the projection learns.

    Raises:
        ValueError: for a preset without tokenizer; when built, for one without backbone, made for
            fewer positions, or of which it is not known where it gathers what it has read.
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
        # SigLIP's has a position for each place, and pools the last one.
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
        length, whole = tf.shape(ids)[1], ids
        if self.fixed is not None:
            more = self.fixed - length
            whole = tf.pad(ids, [[0, 0], [0, more]], constant_values=self.vocabulary.pad)
        # Up to the end token, which counts.
        after = tf.cumsum(tf.cast(whole == self.vocabulary.end, tf.int32), axis=1, exclusive=True)
        inputs = {
            "token_ids": whole,
            "padding_mask": tf.cast(after < 1, tf.int32),
            "segment_ids": tf.zeros_like(whole),
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
    """Ids (and what else the backbone reads) -> (pooled [B, D], tokens [B, L, D])."""
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
            f"The backbone of {preset!r}, {kind}, is not one of which it is known where it gathers "
            f"what it has read; choose one of {', '.join(_POOLED + _FIRST + _CAUSAL)} or "
            f"SigLIPTextEncoder."
        )
    inputs = [backbone.input[name] for name in sorted(backbone.input)]
    return keras.Model(inputs, (pooled, tokens), name="backbone")
