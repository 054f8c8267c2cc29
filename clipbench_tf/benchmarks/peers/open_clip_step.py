"""The training step of open_clip at its best on a CPU.

What a user can do for it: AdamW in its fused form, a malloc that keeps its memory, captions cut
behind the longest of the batch in steps of 8, the ResNet in channels-last, torch.compile.
"""

import ctypes
import math
import os

import numpy as np
import torch
from torch.nn import functional

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.peers import tensors
from clipbench_tf.benchmarks.peers.open_clip import imported
from clipbench_tf.benchmarks.samples import captions
from clipbench_tf.data.text.vocabulary import PAD_ID

MODELS = {"vit_b32": "ViT-B-32-quickgelu", "resnet50": "RN50-quickgelu"}
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_HIGHEST_SCALE = math.log(100)
_MULTIPLE = 8  # of the length of captions


def step(
    batch: int,
    batches: int,
    precision: str,
    natural: bool,
    model: str = "vit_b32",
    compiled: bool = False,
) -> Job:
    """A job whose repetition is `batches` steps on as many different batches.

    Args:
        model: "vit_b32" or "resnet50".
        compiled: by torch.compile, once for each length of captions.
    """
    _keep_memory()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    # Only this form of the text tower takes fewer than 77 positions.
    made = imported().create_model(MODELS[model], force_custom_text=True).train()
    channels_last = model == "resnet50"
    if channels_last:
        made = made.to(memory_format=torch.channels_last)
    optimizer = _adamw(made)
    images = tensors.pixels(batches * batch)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    pixels = images.split(batch)
    ids = _trimmed(captions.ids(batches * batch, natural=natural), batch)
    run_model = torch.compile(made) if compiled else made
    causal = made.text.attn_mask  # of 77 positions, whatever the text's length

    def one(pixels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        made.text.attn_mask = causal[: ids.shape[1], : ids.shape[1]]
        with tensors.autocast(precision):
            image, text, scale = run_model(pixels, ids)[:3]
        logits = scale * image.float() @ text.float().T
        labels = torch.arange(len(logits))
        loss = functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)
        (loss / 2).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            made.logit_scale.clamp_(0.0, _HIGHEST_SCALE)
        return loss.detach()

    def run() -> None:
        for pair in zip(pixels, ids, strict=True):
            loss = one(*pair)
        float(loss)

    return Job(run)


def _keep_memory() -> None:
    """Tells malloc to keep what is freed: to give it back costs page faults in the next step."""
    libc = ctypes.CDLL("libc.so.6")
    for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
        libc.mallopt(parameter, 2**31 - 1)


def _adamw(model: torch.nn.Module) -> torch.optim.Optimizer:
    """The paper's, fused; its moments exist before memory is measured, as ours do."""
    named = list(model.named_parameters())
    groups = [
        {"params": [p for _, p in named if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for _, p in named if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.98), eps=1e-8, fused=True)
    for _, p in named:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return optimizer


def _trimmed(ids: np.ndarray, batch: int) -> list[torch.Tensor]:
    """Batches of ids, each cut behind its longest caption, at a multiple of 8 positions."""
    found = []
    for rows in np.split(ids, len(ids) // batch):
        longest = int((rows != PAD_ID).sum(axis=1).max())
        length = min(captions.CONTEXT, -(-longest // _MULTIPLE) * _MULTIPLE)
        found.append(torch.from_numpy(rows[:, :length]).long())
    return found
