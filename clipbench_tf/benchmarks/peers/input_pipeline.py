"""PIL views through PyTorch's DataLoader."""

import io
import os
import random

import torch
from PIL import Image

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.peers.pil_views import strong_view
from clipbench_tf.benchmarks.samples.pictures import different

_BATCH = 32


class _Pictures(torch.utils.data.Dataset):
    """A data set whose item i is both views of picture i."""

    def __init__(self, count: int, large: bool) -> None:
        self.count, self.encoded = count, different(large)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        pick = random.Random(index)
        encoded = self.encoded[index % len(self.encoded)]
        picture = Image.open(io.BytesIO(encoded)).convert("RGB")
        return strong_view(picture, pick), strong_view(picture, pick)


def views(pictures: int, large: bool = False) -> Job:
    """A job whose repetition makes two views of each of `pictures` pictures, in batches."""
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(1)
    workers = cores if cores > 1 else 0
    loader = torch.utils.data.DataLoader(
        _Pictures(pictures, large), _BATCH, num_workers=workers, persistent_workers=workers > 0
    )

    def run() -> None:
        for _ in loader:
            pass

    return Job(run)
