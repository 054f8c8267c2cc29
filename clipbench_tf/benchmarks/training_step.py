"""The training step of CLIP with 12 text layers: forward, backward, AdamW.

Ours is the method that the gin files describe (methods/clip, models/vit_b32 or resnet50,
recipes/paper), its `train_step` compiled as `Model.fit` does it, on batches in memory. A repetition
is four batches.

- "natural": captions have 17 ids on average (lognormal, 5 to 77). Ours trims each batch to its
  longest caption, as `Pipeline` does.
- "77 ids": captions fill the context, and nothing is trimmed.

The peer is `transformers.CLIPModel` on PyTorch at the same sizes, with sdpa attention, bf16
autocast (or float32), fused AdamW and the clamp of the logit scale. It gets all 77 positions, as
its processor pads them, and pictures that are normalised already, whereas ours are uint8. It has
no ResNet. With `--peer=open_clip` the peer is open_clip at its best (peers/open_clip_step.py), and
"peer_compiled" the same by torch.compile.

`--methods` times all five methods on natural captions instead, ours alone, beside a limit: their
products and convolutions at the speed of large products, and unavoidable passes over memory at the
speed of adding two long arrays (ours/limits.py), both measured in turns with the steps. `--memory`
is about the peak memory of one batch of CLIP instead of the speed, ours alone: as it is, with the
blocks of both towers recomputed (`recompute`), with the batch encoded in four parts
(`Method.chunks`), and with both.

What was tried
--------------
Of three blocks of the ViT in bfloat16, matrix products were 73% and elementwise operations 20%.

- AdamW by TensorFlow's fused kernel: half of the time of Keras's update (316 against 674 ms for the
  parameters of ViT-B/32, on a busy machine); a compiled update was no faster (363 ms).
- Captions trimmed to the longest of the batch: natural against 77 ids, a quarter more pairs/s.
  Without padding but in attention (models/layers/packing.py): a step of 32 pairs takes 13.7 in
  place of 15.6 s of one core of an EPYC Turin, which other work slowed down, for four batches.
- QuickGELU and its gradient in one compiled pass each, in float32: for 1,600 x 3,072 numbers in
  bfloat16, 8.4 ms of a core of the Turin; 23.5 where the value was TensorFlow's and the gradient's
  pass rounded after each operation. By tanh, 6.8, but it is not exact for small values.
- Layer norm in one compiled pass each way: 3.5 in place of 5.8 ms for 1,600 x 768 numbers, of which
  a step has 50. Its sums over rows by products with ones: 7.1.
- Batch norm by the fused kernel: in float32, a fifth off the small ResNet's forward and backward
  pass (444 to 346 ms). In bfloat16 without casts around it, both passes over 16 x 56 x 56 x 256
  numbers take 9 in place of 19 ms on an EPYC Turin, with the same results.
- ResNet-50 in bfloat16 on the Turin, 16 pairs: kernel gradients of maps of up to 14 x 14 as
  products, 2% off a step; ReLU and its gradient compiled, with the sum before it, 1%.
- Decay as w (1 - rate) in place of w - rate w: 44 in place of 54 ms of AdamW for 80 million
  weights.
- The bias's gradient as a product with ones, for its precision (models/layers/dense.py): 0.75 ms
  for 2,464 x 2,048 numbers in bfloat16 on the Turin, where a plain sum takes 2.3.
- Attention pooling with heads first in its products: 8.6 in place of 18 ms for 16 pictures' two
  products and their gradients in bfloat16, 12 in place of 25 in float32 (the Turin).
- Not worth it: a compiled ResNet, which took 1.3 times as long in float32 on a CPU; malloc tuned,
  as the step causes few page faults.

What it costs
-------------
CLIP with 64 pairs of 77 ids in bfloat16 takes 4.2 GB above the parameters and AdamW's moments; 3.1
GB with recomputation at 0.83 of the speed, 2.7 GB in four chunks at 0.73, 2.4 GB with both at 0.57
(one repetition). All four include the float32 gradient of 151 million parameters, 0.6 GB, and
chunks need a second one to sum it. With 16 pairs and natural captions, CLIP takes 1.8 GB at 7.4
pairs/s, FILIP 1.7 at 7.7, DeFILIP 2.7 at 4.0, DeCLIP 2.7 at 3.9, and SLIP, with its three views of
each picture, 2.9 at 3.4.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clipbench_tf.benchmarks.harness.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.harness.contender import Side
from clipbench_tf.benchmarks.harness.measure import Unit

METHODS = ("clip", "slip", "filip", "declip", "defilip")
_OURS = "clipbench_tf.benchmarks.ours.training_step:step"
_LIMITS = "clipbench_tf.benchmarks.ours.limits"
_PEERS = {
    "transformers": "clipbench_tf.benchmarks.peers.training_step:step",
    "open_clip": "clipbench_tf.benchmarks.peers.open_clip_step:step",
}
MODELS = ("vit_b32", "resnet50")
_BATCHES = 4  # in a repetition: their longest captions differ
_SAVINGS: dict[str, dict[str, Any]] = {
    "whole": {},
    "recompute": {"recompute": True},
    "chunks=4": {"chunks": 4},
    "recompute, chunks=4": {"recompute": True, "chunks": 4},
}


def cases(
    batch: Sequence[int] | None = None,
    precision: Sequence[str] = ("float32", "bfloat16"),
    methods: bool = False,
    memory: bool = False,
    repetitions: int = 5,
    peer: str = "transformers",
    model: str = "vit_b32",
) -> Iterator[dict]:
    """Yields a record for each precision, size and length of captions, or method, or saving.

    Args:
        batch: pairs; by default 32, for all methods 16, for memory 64.
        peer: "transformers" or "open_clip".
        model: "vit_b32" or, beside open_clip or alone, "resnet50".

    Raises:
        ValueError: for a peer that does not have the model.
    """
    alone = methods or memory
    if not alone and model != "vit_b32" and peer == "transformers":
        raise ValueError(f"transformers has no {model}; give --peer=open_clip.")
    for kind in precision:
        for size in batch or [64 if memory else 16 if methods else 32]:
            common: dict[str, Any] = {"batch": size, "precision": kind, "model": model}
            if memory:
                for saving, arguments in _SAVINGS.items():
                    own = {"method": METHODS[0], "natural": False, "batches": 1, **arguments}
                    yield _case(saving, common | own, "", repetitions)
                continue
            common["batches"] = _BATCHES
            if methods:
                for name in METHODS:
                    own = {"method": name, "natural": True}
                    yield _limited(common | own, repetitions)
                continue
            for natural in (True, False):
                own = {"method": METHODS[0], "natural": natural}
                yield _case("", common | own, peer, repetitions)


def _limited(ours: Mapping[str, Any], repetitions: int) -> dict:
    """A case beside the least time that its step would take on this machine."""
    from clipbench_tf.benchmarks.ours import limits  # which needs TensorFlow

    products = {"precision": ours["precision"]}
    found = compare(
        _name(ours, ""),
        Unit("pairs/s", ours["batch"] * ours["batches"]),
        {
            OURS: Side(_OURS, ours),
            "products": Side(f"{_LIMITS}:products", products),
            "passes": Side(f"{_LIMITS}:passes"),
        },
        repetitions=repetitions,
    )
    pairs = ours["batch"] * ours["batches"]
    speed = limits.OPERATIONS / pairs * found.pop("products")  # of "pairs" a second
    bandwidth = limits.BYTES / pairs * found.pop("passes")
    operations, moved = limits.least_work(**{k: v for k, v in ours.items() if k != "natural"})
    seconds = {"products": operations / speed, "passes": moved / bandwidth}
    limit = pairs / sum(seconds.values())
    return found | {
        "limit": float(f"{limit:.4g}"),
        "share_of_limit": round(found[OURS] / limit, 3),
        "limit_seconds": {name: float(f"{one:.4g}") for name, one in seconds.items()},
        "gflops": round(speed / 1e9),
        "gigabytes_per_second": round(bandwidth / 1e9, 1),
    }


def _case(saving: str, ours: Mapping[str, Any], peer: str, repetitions: int) -> dict:
    sides = {OURS: Side(_OURS, ours)}
    theirs = {k: v for k, v in ours.items() if k != "method"}
    if peer == "transformers":
        sides[PEER] = Side(_PEERS[peer], {k: v for k, v in theirs.items() if k != "model"})
    elif peer:
        sides[PEER] = Side(_PEERS[peer], theirs)
        sides["peer_compiled"] = Side(_PEERS[peer], theirs | {"compiled": True})
    case = _name(ours, peer)
    return compare(
        f"{case}, {saving}" if saving else case,
        Unit("pairs/s", ours["batch"] * ours["batches"]),
        sides,
        repetitions=repetitions,
    )


def _name(ours: Mapping[str, Any], peer: str) -> str:
    captions = "natural" if ours["natural"] else "77 ids"
    case = f"{ours['method']}, B={ours['batch']}, {captions}, {ours['precision']}"
    if ours["model"] != MODELS[0] or peer == "open_clip":
        case += f", {ours['model']}" + ", open_clip" * (peer == "open_clip")
    return case
