"""Zero-shot classification with CLIP ViT-B/32: 1,000 class names in 80 prompts each.

- "classifier": prompts encoded to class vectors, 12 text layers of width 512. Ours is `Classifier`
  on `MethodEncoders`, tokenizing included; it runs at the longest prompt of a chunk.
- "classification": pictures of 224 pixels, decoded before, encoded and scored against the 1,000
  classes in batches of 64. Ours gets bytes and normalises them; the peer gets normalised floats.

The peer is the text and the image tower of transformers' CLIP on PyTorch, with autocast for
bfloat16, no gradients; prompts are tokenized before the clock starts, padded to 77 as its processor
pads them, one class of 80 prompts at a time. With `--peer=open_clip`, the classifier alone is
compared, with open_clip's own function, which tokenizes as it goes. All weights are random. Exports
classify in float32, a method in memory in its own precision.

A repetition encodes a sample: all prompts of the first classes of the list.

What was tried
--------------
- Prompts are trimmed to the longest of their chunk, and chunks hold names of similar length.
- The encoded classes are kept beside the model (`ClassifierCache`).
- At inference, QuickGELU is SiLU of a scaled number, which TensorFlow fuses with the product before
  it: 1.70 in place of 1.90 s for 64 pictures, where the peer takes 1.99 s. The rows are scaled: a
  single picture in float32 then takes 63 ms, with scaled weights 76 ms, without fusion 62 ms.
- Not done: to cast weights to bfloat16 less than once a batch; the cast was 8% of the time of 64
  pictures.

The record is of 320 prompts, 128 pictures and three repetitions: at 229 prompts/s ours would take
5.8 minutes for all 80,000, at 40 the peer 33; neither was run in full.
"""

from collections.abc import Iterator, Sequence

from clipbench_tf.benchmarks.harness.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.harness.contender import Side
from clipbench_tf.benchmarks.harness.measure import Unit
from clipbench_tf.benchmarks.samples.captions import templates

CLASSES = 1000
_OURS = "clipbench_tf.benchmarks.ours.zero_shot"
_PEERS = {
    "transformers": "clipbench_tf.benchmarks.peers.zero_shot",
    "open_clip": "clipbench_tf.benchmarks.peers.open_clip",
}


def cases(
    prompts: int = 2000,
    images: int = 256,
    repetitions: int = 5,
    precision: Sequence[str] = ("float32", "bfloat16"),
    peer: str = "transformers",
) -> Iterator[dict]:
    """Yields a record for the classifier, and one for classification with it, in each precision.

    Args:
        prompts: encoded in a repetition, rounded down to whole classes, at least one.
        images: classified in a repetition.
        peer: "transformers" or "open_clip".
    """
    classes = min(CLASSES, max(1, prompts // len(templates())))
    units = {
        "classifier": Unit("prompts/s", classes * len(templates())),
        "classification": Unit("images/s", images),
    }
    for name in precision:
        arguments = {
            "classifier": {"classes": classes, "precision": name},
            "classification": {"images": images, "classes": CLASSES, "precision": name},
        }
        if peer == "open_clip":
            del arguments["classification"]
        for case, given in arguments.items():
            yield compare(
                f"{case}, {name}",
                units[case],
                {
                    OURS: Side(f"{_OURS}:{case}", given),
                    PEER: Side(f"{_PEERS[peer]}:{case}", given),
                },
                repetitions=repetitions,
            )
