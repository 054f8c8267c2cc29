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
- What remained was the sharing out of operations on a picture between threads, by TensorFlow and,
  the conditional notwithstanding, by XLA: 575 images/s on two cores of an EPYC Turin, and 935 with
  one thread for an operation, for 1.95 in place of 2.96 ms of a core a picture. So that is what
  training sets where GPUs compute (`strategy.one_thread_an_operation`), and what is measured here.
  tf.data's own option for it changes nothing, XLA's (xla_cpu_multi_thread_eigen) gives 700. Where
  the CPU trains, its products need all threads. Colours within the same call as the crops, more
  calls at once than cores, other orders and buffers: no difference above the noise.
- `decode_and_crop_jpeg` of the region of both crops, 68% of a picture on average, took 1.1 ms where
  the whole took 0.9, and its edges differ by up to 48 levels. Not used.
- Large JPEGs are decoded at a half, a quarter or an eighth of their size where no crop is enlarged
  by it (`decoding.decode_smaller`). Pictures of 500 pixels have no such crops at 224.
- Other options of libjpeg (0.61 ms a picture on a core of the Turin): `INTEGER_FAST` is what it
  does already, `INTEGER_ACCURATE` 0.62; plain upscaling of colours 0.59, for up to 89 levels.
- Pixels stored in place of JPEGs: 0.20 ms a picture to read from TFRecords in the page cache, in
  place of 0.65 to 1.2 with decoding, but nine times as many bytes (540 kB): from a disk or a
  network of 1 GB/s, a picture takes as long to arrive as to decode. Not used.

What was measured on a Turin says so; the rest on an older machine.
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
