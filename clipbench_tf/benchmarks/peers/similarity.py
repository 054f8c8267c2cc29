"""The naive similarity in PyTorch."""

import os

import torch

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.samples import tokens


def naive(batch: int, precision: str) -> Job:
    """Equation 4 as it is written: one tensor of all cosines, and autograd."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    kind = getattr(torch, precision)

    def tensors(batch: int) -> list[torch.Tensor]:
        inputs = tokens.make(batch, batch)
        images, texts = (torch.from_numpy(x).to(kind) for x in (inputs.images, inputs.texts))
        return [
            images.requires_grad_(),
            texts.requires_grad_(),
            torch.from_numpy(inputs.of_images),
            torch.from_numpy(inputs.of_texts),
        ]

    def run(
        images: torch.Tensor, texts: torch.Tensor, of_images: torch.Tensor, of_texts: torch.Tensor
    ) -> list[torch.Tensor]:
        cosines = torch.einsum("ipd,twd->itpw", images, texts)
        image_side = cosines.max(dim=3).values.mean(dim=2)
        text_side = cosines.max(dim=2).values.mean(dim=2).T
        value = (image_side.float() * of_images).sum() + (text_side.float() * of_texts).sum()
        gradients = torch.autograd.grad(value, [images, texts])
        return [image_side.detach().float().sum(), *gradients]

    def answer() -> list[float]:
        total, *gradients = run(*arguments)
        return [float(total), *(float(g.float().norm()) for g in gradients)]

    run(*tensors(2))
    arguments = tensors(batch)
    return Job(lambda: run(*arguments), answer)
