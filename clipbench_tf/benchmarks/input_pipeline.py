"""Two strong views (section 4.1) at 224 pixels of JPEGs of about 500 x 375 pixels.

Ours is the image part of `Pipeline`: `ImageViews.crop` for each picture and `ImageViews.color` for
batches of 32, through tf.data. It ends with bytes, which the towers normalise.

The peer is torchvision's way on PIL images, written with Pillow after its documented operations,
because torchvision has no build beside every PyTorch: decode once, then for each view
RandomResizedCrop (bilinear), ColorJitter (0.4, 0.4, 0.4, 0.1) with probability 0.8, grayscale 0.2,
Gaussian blur 0.5, flip 0.5, and a normalised float tensor. A PyTorch DataLoader runs it in as many
worker processes as cores, on one core in its own process, which is faster there.

An image in the figures is a picture with both its views. Both sides are measured on all cores and
held to one; each repetition includes the start of an epoch. `peak_extra_mb` leaves out what the
peer's worker processes hold.

What was tried
--------------
- A resize along rows, then along columns, is 2.5 times as fast as both at once.
- Colour operations on one picture at a time, compiled: five times as fast on a CPU as op by op.

An epoch on 96 cores and 8 GPUs, on paper: a pair with two views takes a core 2.8 ms (1 / 361 s), so
that 96 cores make 35,000 pairs/s at best, 4,300 for each GPU; the 15.4 M pairs of YFCC15M V2 then
take 7.4 minutes of decoding and drawing an epoch. A GPU that trains slower than that is never kept
waiting.
"""

import os
from collections.abc import Iterator

from clipbench_tf.benchmarks.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.contender import Side
from clipbench_tf.benchmarks.measure import Unit

_OURS = "clipbench_tf.benchmarks.ours.input_pipeline:views"
_PEER = "clipbench_tf.benchmarks.peers.input_pipeline:views"


def cases(pictures: int = 512, repetitions: int = 5) -> Iterator[dict]:
    """A record for all cores, and one for a single core."""
    every = len(os.sched_getaffinity(0))
    for cores in dict.fromkeys([every, 1]):
        arguments = {"pictures": pictures}
        yield compare(
            f"two views, {cores} core{'s' if cores > 1 else ''}",
            Unit("images/s", pictures),
            {OURS: Side(_OURS, arguments, cores), PEER: Side(_PEER, arguments, cores)},
            repetitions=repetitions,
        )
