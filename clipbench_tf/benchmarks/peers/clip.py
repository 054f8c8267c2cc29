"""transformers' CLIP ViT-B/32 with random weights."""

import contextlib
import os

import torch
import transformers

SIZE = 224
_MEAN, _STD = 0.45, 0.27  # about those that CLIP normalises pictures with


def model() -> transformers.CLIPModel:
    """CLIP at its published sizes, with sdpa; also lets PyTorch use all cores of this process."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config={
            "hidden_size": 512,
            "intermediate_size": 2048,
            "num_hidden_layers": 12,
            "num_attention_heads": 8,
            "projection_dim": 512,
            "max_position_embeddings": 77,
            "vocab_size": 49_408,
            "bos_token_id": 49_406,
            "eos_token_id": 49_407,
        },
        vision_config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "projection_dim": 512,
            "image_size": SIZE,
            "patch_size": 32,
        },
        projection_dim=512,
    )
    return transformers.AutoModel.from_config(config, attn_implementation="sdpa")


def autocast(precision: str) -> contextlib.AbstractContextManager:
    """A context of autocast for "bfloat16", without effect for "float32"."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")


def pixels(count: int) -> torch.Tensor:
    """float32 [count, 3, 224, 224], normalised."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(count, 3, SIZE, SIZE, generator=generator) - _MEAN) / _STD
