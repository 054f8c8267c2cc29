"""Both towers against PyTorch's CLIP with the same weights."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from transformers import CLIPConfig, CLIPModel

from clipbench_tf.models import pixels
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer

TINY = {
    "image": {"image_size": 64, "patch_size": 16, "width": 64, "depth": 2, "heads": 2},
    "text": {"context_length": 20, "width": 32, "depth": 2, "heads": 2, "vocabulary_size": 49408},
    "embed_dim": 24,
}
FULL = {
    "image": {"image_size": 224, "patch_size": 32, "width": 768, "depth": 12, "heads": 12},
    "text": {"context_length": 77, "width": 512, "depth": 12, "heads": 8, "vocabulary_size": 49408},
    "embed_dim": 512,
}


def peer(sizes: dict, activation: str = "quick_gelu") -> CLIPModel:
    image, text = sizes["image"], sizes["text"]
    shared = {"hidden_act": activation, "layer_norm_eps": 1e-5}
    config = CLIPConfig(
        projection_dim=sizes["embed_dim"],
        vision_config={
            "hidden_size": image["width"],
            "intermediate_size": 4 * image["width"],
            "num_hidden_layers": image["depth"],
            "num_attention_heads": image["heads"],
            "image_size": image["image_size"],
            "patch_size": image["patch_size"],
            **shared,
        },
        text_config={
            "hidden_size": text["width"],
            "intermediate_size": 4 * text["width"],
            "num_hidden_layers": text["depth"],
            "num_attention_heads": text["heads"],
            "vocab_size": text["vocabulary_size"],
            "max_position_embeddings": text["context_length"],
            "eos_token_id": 49407,
            **shared,
        },
    )
    torch.manual_seed(0)
    model = CLIPModel(config).eval()
    with torch.no_grad():  # larger than the default start, so that errors would show
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def copy_norm(norm, source) -> None:
    norm.set_weights([array(source.weight), array(source.bias)])


def copy_blocks(transformer, source) -> None:
    for block, layer in zip(transformer.blocks, source.layers, strict=True):
        attention = layer.self_attn
        parts = [attention.q_proj, attention.k_proj, attention.v_proj]
        block.attn.in_proj.set_weights(
            [
                np.concatenate([array(p.weight).T for p in parts], axis=1),
                np.concatenate([array(p.bias) for p in parts]),
            ]
        )
        for ours, theirs in (
            (block.attn.out_proj, attention.out_proj),
            (block.c_fc, layer.mlp.fc1),
            (block.c_proj, layer.mlp.fc2),
        ):
            ours.set_weights([array(theirs.weight).T, array(theirs.bias)])
        copy_norm(block.ln_1, layer.layer_norm1)
        copy_norm(block.ln_2, layer.layer_norm2)


def copy_image(tower: VisionTransformer, model: CLIPModel) -> None:
    source = model.vision_model
    embeddings = source.embeddings
    tower.conv1.set_weights([array(embeddings.patch_embedding.weight).transpose(2, 3, 1, 0)])
    tower.class_embedding.assign(array(embeddings.class_embedding))
    tower.positional_embedding.assign(array(embeddings.position_embedding.weight))
    copy_norm(tower.ln_pre, source.pre_layrnorm)
    copy_norm(tower.ln_post, source.post_layernorm)
    copy_blocks(tower.transformer, source.encoder)
    tower.proj.set_weights([array(model.visual_projection.weight).T])


def copy_text(tower: TextTransformer, model: CLIPModel) -> None:
    source = model.text_model
    tower.token_embedding.set_weights([array(source.embeddings.token_embedding.weight)])
    tower.positional_embedding.assign(array(source.embeddings.position_embedding.weight))
    copy_norm(tower.ln_final, source.final_layer_norm)
    copy_blocks(tower.transformer, source.encoder)
    tower.proj.set_weights([array(model.text_projection.weight).T])


def relative_error(ours, theirs) -> float:
    ours, theirs = np.asarray(ours), array(theirs)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize(
    "sizes",
    [pytest.param(TINY, id="tiny"), pytest.param(FULL, id="vit_b32", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    ("activation", "pixels_of"), [("quick_gelu", pixels.IMAGENET), ("gelu", pixels.CLIP)]
)
def test_towers_equal_pytorch(sizes, activation, pixels_of):
    model, (mean, std) = peer(sizes, activation), pixels_of
    random = np.random.default_rng(0)
    size = sizes["image"]["image_size"]
    images = random.integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    length = sizes["text"]["context_length"]
    ids = np.zeros((3, length), np.int32)
    for row, words in enumerate((1, 7, length - 2)):
        ids[row, 0], ids[row, 1 + words] = 49406, 49407
        ids[row, 1 : 1 + words] = random.integers(1, 49406, words)

    image_tower = VisionTransformer(
        **sizes["image"],
        embed_dim=sizes["embed_dim"],
        activation=activation,
        mean=mean,
        std=std,
    )
    text_tower = TextTransformer(
        **sizes["text"], embed_dim=sizes["embed_dim"], activation=activation
    )
    image_tower(tf.constant(images)), text_tower(tf.constant(ids))
    copy_image(image_tower, model)
    copy_text(text_tower, model)
    ours_image, ours_text = image_tower(tf.constant(images)), text_tower(tf.constant(ids))

    scaled = (images / 255.0 - np.array(mean)) / np.array(std)
    with torch.no_grad():
        vision = model.vision_model(torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32))
        text = model.text_model(torch.tensor(ids, dtype=torch.long))
        assert relative_error(ours_image.pooled, vision.pooler_output) < 1e-4
        assert relative_error(ours_image.tokens, vision.last_hidden_state[:, 1:]) < 1e-4
        projected = model.visual_projection(vision.pooler_output)
        assert relative_error(ours_image.embedding, projected) < 1e-4
        assert relative_error(ours_text.tokens, text.last_hidden_state) < 1e-4
        projected = model.text_projection(text.pooler_output)
        assert relative_error(ours_text.embedding, projected) < 1e-4

    if sizes is FULL:  # has the published number of parameters
        temperature = 1
        assert image_tower.count_params() + text_tower.count_params() + temperature == 151_277_313


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="'relu' is none of quick_gelu, gelu"):
        VisionTransformer(**TINY["image"], activation="relu")


def test_a_mean_of_one_number_is_refused():
    with pytest.raises(ValueError, match="must be three numbers each"):
        VisionTransformer(**TINY["image"], mean=(0.5,))
