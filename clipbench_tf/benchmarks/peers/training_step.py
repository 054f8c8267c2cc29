"""The training step of transformers' CLIP."""

import math

import torch

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.peers import clip, tensors
from clipbench_tf.benchmarks.samples import captions
from clipbench_tf.data.text.vocabulary import END_ID, PAD_ID

_HIGHEST_SCALE = math.log(100)


def step(batch: int, batches: int, precision: str, natural: bool) -> Job:
    """A job whose repetition is `batches` steps on as many different batches."""
    model = clip.model().train()
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=1e-4,
        betas=(0.9, 0.98),
        eps=1e-8,
        fused=True,
    )
    for p in model.parameters():  # the moments exist before memory is measured, as ours do
        p.grad = torch.zeros_like(p)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    images = tensors.pixels(batches * batch).reshape(batches, batch, 3, tensors.SIZE, tensors.SIZE)
    ids = torch.from_numpy(captions.ids(batches * batch, natural=natural)).long()
    ids[ids == PAD_ID] = END_ID  # CLIP's tokenizer in transformers pads with the end token
    ids = ids.reshape(batches, batch, captions.CONTEXT)

    def run() -> None:
        for pixel_values, input_ids in zip(images, ids, strict=True):
            with tensors.autocast(precision):
                loss = model(input_ids=input_ids, pixel_values=pixel_values, return_loss=True).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                model.logit_scale.clamp_(0.0, _HIGHEST_SCALE)
        float(loss.detach())

    return Job(run)
