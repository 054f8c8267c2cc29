"""Photographs made smaller for training, on one core: shorter side 256, JPEG of quality 95.

Ours is `prepare` of the picture stage: it reads the header, decodes by the rule of training, which
is also the check that a picture can be decoded, resizes by Lanczos' filter and encodes.

The peer is the usual loop in Python: Pillow decodes in full, converts to RGB, resizes by the same
filter and encodes at the same quality and chroma (4:2:0). It checks nothing and leaves photographs
on their side. That both write pictures of the same size and mean level is checked first.

Photographs are noise whose spectrum falls with the frequency as that of natural scenes, textured
(a 500 x 375 JPEG of 121 kB) or smooth (46 kB), 8 different ones of each size.

The record was taken on an idle machine. On one whose cores other programs shared, ratios were 1.72
to 2.59 in one run, and 1.37 (2048 x 1536, textured, 14 to 51 pictures/s) to 2.66 in another.

What was tried
--------------
Milliseconds of processor time for a picture of 500 x 375, on one core of an AMD EPYC.

- The resize took the peer 2.05 of its 2.9. Lanczos' filter of cykooz-resizer, the same but for
  rounding, takes 0.37 with AVX2; libvips 0.89, kornia-rs 0.97, TensorFlow 3.4. OpenCV has it only
  without antialiasing.
- Pillow's own Hamming and bilinear filters take 0.95, and are 39 to 41 dB from the result of
  Lanczos' in floating point, where the peer and ours are 55.6 and 55.7.
- The tensor is read in place: `numpy()` copies it, 1.6 ms of 2048 x 1536 pixels.
- Decoding JPEGs at half the scale where twice the target remains would make 2048 x 1536 pixels 1.8
  times as fast and loses no quality, but needs a second rule for JPEGs. Not used: the ratio does
  not fall with the size as it is.
- The rule of training decodes with libjpeg's fast cosine transform, the peer with the accurate one.
  From the uncompressed originals of twelve photographs, at quality 75, 90 and 97 and these three
  sizes, results of ours are 0.3 to 0.8 dB further than the peer's, which are at 36 to 39 dB. From
  the JPEG decoded accurately and resized in floating point they are 0.2 to 1.4 dB further; from
  what training reads, resized so, the peer's are further by as much.
- img2dataset itself resizes with OpenCV, by area. Decoding, resizing and encoding by OpenCV takes
  0.9 (500 x 375) to 1.05 (2048 x 1536) times as long as ours, and is up to 2.9 dB worse on textured
  pictures.
"""

from collections.abc import Iterator

from clipbench_tf.benchmarks.harness.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.harness.contender import Side
from clipbench_tf.benchmarks.harness.measure import Unit
from clipbench_tf.benchmarks.samples.photographs import SMOOTH, TEXTURED

_OURS = "clipbench_tf.benchmarks.ours.preparation:resized"
_PEER = "clipbench_tf.benchmarks.peers.preparation:resized"
_SIZES = ((500, 375), (1024, 768), (2048, 1536))
_KINDS = {"textured": TEXTURED, "smooth": SMOOTH}


def cases(pictures: int = 32, repetitions: int = 9) -> Iterator[dict]:
    """Yields a record for each size and kind of photograph."""
    for size in _SIZES:
        for name, kind in _KINDS.items():
            arguments = {
                "pictures": pictures,
                "size": size,
                "kind": kind,
                "shorter": 256,
                "quality": 95,
            }
            yield compare(
                f"{size[0]} x {size[1]}, {name}",
                Unit("pictures/s", pictures),
                {OURS: Side(_OURS, arguments, cores=1), PEER: Side(_PEER, arguments, cores=1)},
                repetitions=repetitions,
                tolerance=0.01,
            )
