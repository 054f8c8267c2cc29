"""transformers' CLIP ViT-B/32 with random weights."""

import os

import torch
import transformers

from clipbench_tf.benchmarks.peers.tensors import SIZE


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
