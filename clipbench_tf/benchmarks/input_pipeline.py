"""Two strong views (section 4.1) at 224 pixels of JPEGs of 500 x 375 pixels, or of 1,600 x 1,200.

Ours is the image part of `Pipeline`: `ImageViews.crop` for each picture and `ImageViews.color` for
batches of 32, through tf.data. It ends with uint8, which the towers normalise.

The peer has torchvision's operations on PIL images, written with Pillow after their documentation,
because torchvision has no build for every PyTorch: decode once, then for each view
RandomResizedCrop (bilinear), ColorJitter (0.4, 0.4, 0.4, 0.1) with probability 0.8, grayscale 0.2,
Gaussian blur 0.5, flip 0.5, and a normalised float tensor. A PyTorch DataLoader runs it in as many
worker processes as cores; on one core it runs in the main process, which is faster there.

An image in the figures is a picture with both its views. Both sides are measured on all cores and
on one; each repetition includes the start of an epoch. `peak_extra_mb` leaves out the memory of the
peer's worker processes.

What was tried
--------------
- A resize along rows, then along columns, is 2.5 times as fast as both at once.
- Colour operations on one picture at a time, compiled: five times as fast on a CPU as op by op.
- XLA split the loops over pixels between both cores, which cost more than it gained; inside a
  conditional it does not: 3,690 views/s instead of 2,780 where two batches are coloured at once.
  Transposed to [y, x, channel] by a TensorFlow op after XLA, it is 1,740.
- The end of an epoch waits for tf.data's autotuning thread: crops alone were read in 0.95 s, but
  the iterator closed at 1.34. Training never ends an epoch, so autotuning is off here: closed at
  0.96. That was one reason why a second core showed no gain, 361 and 375 images/s.
- The other reason remains: decoding alone runs twice as fast on two cores, crops 1.4 times, with 20
  context switches a picture instead of 2. One view after the other, one thread within an op, a
  thread pool for tf.data alone, more calls at once than cores: no difference above the noise.
- `decode_and_crop_jpeg` of the region of both crops, 68% of a picture on average, took 1.1 ms where
  the whole took 0.9, and its edges differ by up to 48 levels. Not used.

The machine slowed down while the record was taken: the peer made 203 images/s on both cores before,
138 in the record. Compare within a case, not between the cases.

An epoch on 96 cores and 8 GPUs, estimated: a pair with two views takes a core 3.0 ms (1 / 339 s)
alone and 6.8 ms (2 / 293 s) beside a busy one. 96 cores then make 14,000 to 32,500 pairs/s, 1,760
to 4,060 for each GPU; the 15.4 M pairs of YFCC15M V2 take 8 to 18 minutes of decoding and
augmentation an epoch. A GPU that trains more slowly never waits for its input.
"""

import os
from collections.abc import Iterator

from clipbench_tf.benchmarks.harness.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.harness.contender import Side
from clipbench_tf.benchmarks.harness.measure import Unit

_OURS = "clipbench_tf.benchmarks.ours.input_pipeline:views"
_PEER = "clipbench_tf.benchmarks.peers.input_pipeline:views"


def cases(pictures: int = 1024, repetitions: int = 5) -> Iterator[dict]:
    """Yields records for all cores, and for a single one.

    Args:
        pictures: in a repetition; a quarter of them, if they are large.
    """
    every = len(os.sched_getaffinity(0))
    for cores in dict.fromkeys([every, 1]):
        for large in (False, True):
            count = pictures // 4 if large else pictures
            arguments = {"pictures": count, "large": large}
            case = f"two views{' of large ones' if large else ''}"
            yield compare(
                f"{case}, {cores} core{'s' if cores > 1 else ''}",
                Unit("images/s", count),
                {OURS: Side(_OURS, arguments, cores), PEER: Side(_PEER, arguments, cores)},
                repetitions=repetitions,
            )
