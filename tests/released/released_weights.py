"""The released code's counterpart of each of our weights, and its layout."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import torch
from torch import nn

from clipbench_tf.method import Method
from tests.released.released import VOCABULARY, Released, released_ids

ROWS = released_ids(np.arange(VOCABULARY))  # our id -> its row in the released tables


class Pair(NamedTuple):
    """`layout` makes arrays shaped like `theirs` one shaped like `ours`."""

    ours: keras.Variable
    theirs: list[nn.Parameter]
    layout: Callable[..., np.ndarray]

    def value(self) -> np.ndarray:
        return self.layout(*(p.detach().numpy() for p in self.theirs))

    def gradient(self) -> np.ndarray:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.theirs]
        return self.layout(*(g.numpy() for g in grads))


def same(array: np.ndarray) -> np.ndarray:
    return array


def linear(ours: keras.layers.Layer, theirs: nn.Linear, rows: object = slice(None)) -> list[Pair]:
    """A dense layer; `rows` puts its outputs in our order."""
    pairs = [Pair(ours.kernel, [theirs.weight], lambda w: w[rows].T)]
    if theirs.bias is not None:
        pairs.append(Pair(ours.bias, [theirs.bias], lambda b: b[rows]))
    return pairs


def norm(ours: keras.layers.Layer, theirs: nn.Module) -> list[Pair]:
    return [Pair(ours.gamma, [theirs.weight], same), Pair(ours.beta, [theirs.bias], same)]


def blocks(ours: keras.layers.Layer, theirs: nn.Module) -> Iterator[Pair]:
    for block, layer in zip(ours.blocks, theirs.layers, strict=True):
        attention = layer.self_attn
        projections = [attention.q_proj, attention.k_proj, attention.v_proj]
        in_proj = block.attn.in_proj
        weights, biases = [p.weight for p in projections], [p.bias for p in projections]
        yield Pair(in_proj.kernel, weights, lambda *w: np.concatenate(w).T)
        yield Pair(in_proj.bias, biases, lambda *b: np.concatenate(b))
        yield from linear(block.attn.out_proj, attention.out_proj)
        yield from linear(block.c_fc, layer.mlp.fc1)
        yield from linear(block.c_proj, layer.mlp.fc2)
        yield from norm(block.ln_1, layer.layer_norm1)
        yield from norm(block.ln_2, layer.layer_norm2)


def perceptron(ours: keras.layers.Layer, theirs: nn.Sequential) -> Iterator[Pair]:
    linears = [layer for layer in theirs if isinstance(layer, nn.Linear)]
    norms = [layer for layer in theirs if isinstance(layer, nn.BatchNorm1d)]
    for one, other in zip(ours.linears, linears, strict=True):
        yield from linear(one, other)
    for one, other in zip(ours.norms, norms, strict=True):
        yield from norm(one, other)


def towers(method: Method, model: Released) -> Iterator[Pair]:
    image, text, clip = method.image_encoder, method.text_encoder, model.towers.clip
    vision, words = clip.vision_model, clip.text_model
    conv1 = vision.embeddings.patch_embedding.weight
    yield Pair(image.conv1.kernel, [conv1], lambda w: w.transpose(2, 3, 1, 0))
    yield Pair(image.class_embedding, [vision.embeddings.class_embedding], same)
    yield Pair(image.positional_embedding, [vision.embeddings.position_embedding.weight], same)
    yield from norm(image.ln_pre, vision.pre_layrnorm)
    yield from norm(image.ln_post, vision.post_layernorm)
    yield from blocks(image.transformer, vision.encoder)
    yield from linear(image.proj, clip.visual_projection)

    table = words.embeddings.token_embedding.weight
    yield Pair(text.token_embedding.embeddings, [table], lambda w: w[ROWS])
    yield Pair(text.positional_embedding, [words.embeddings.position_embedding.weight], same)
    yield from norm(text.ln_final, words.final_layer_norm)
    yield from blocks(text.transformer, words.encoder)
    yield from linear(text.proj, model.towers.text_projection)
    yield Pair(method.logit_scale, [model.logit_scale], same)


def heads(method: Method, model: Released) -> Iterator[Pair]:
    objectives = {objective.name: objective for objective in method.objectives}
    if "image_simclr" in objectives:
        yield from perceptron(objectives["image_simclr"].projector, model.simclr)
    if "image_simsiam" in objectives:
        yield from perceptron(objectives["image_simsiam"].projector, model.projector)
        yield from perceptron(objectives["image_simsiam"].predictor, model.predictor)
        yield from linear(objectives["text_mlm"].head, model.mlm_head, ROWS)
    if "fine_grained" in objectives:
        fine_grained = objectives["fine_grained"]
        yield from linear(fine_grained.image_mapping, model.image_mapping)
        yield from linear(fine_grained.text_mapping, model.text_mapping)
        yield Pair(fine_grained.logit_scale_dense, [model.logit_scale_dense], same)


def all_pairs(method: Method, model: Released) -> list[Pair]:
    """Every trainable weight of ours, once, with its counterpart."""
    pairs = [*towers(method, model), *heads(method, model)]
    assert {p.ours.path for p in pairs} == {v.path for v in method.trainable_variables}
    return pairs
