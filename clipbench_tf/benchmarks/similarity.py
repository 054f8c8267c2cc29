"""FILIP's token-wise similarity (equation 4), forward and backward.

Every picture has 49 patches, every text 77 words, of width 256; all words count, so that both
sides compute the same numbers, which is checked first. The figures are milliseconds for the
similarities of B pictures and B texts in both directions and the gradients of both.

- "both ways": ours is `blockwise_similarity.both_ways` in a tf.function.
- "25% selected": ours selects a quarter of the tokens as keys, as `FineGrained` does (`one_way`,
  twice); the peer stays the unselected form, so no equality is checked.
- "gathered": 128 pictures against the selected words of the texts of many replicas (`one_way`),
  ours alone: the naive form would hold 128 x 4,096 x 49 x 20 cosines, 2 GB in float32 before its
  first maximum.

The peer is the naive form in PyTorch: an einsum to [B, B', n1, n2], the maxima over either token
axis, their means, and autograd. "naive_tensorflow" is the same in TensorFlow, in a tf.function.

`peak_extra_mb` is the peak memory (RSS) of a process above that with libraries loaded, warmed up at
B = 2, and inputs in memory; it includes tracing and compilation.

What was tried
--------------
- Blocks over texts, and stored argmaxes (int16) in place of cosines: a tenth of the memory.
- Positions before items in the layout, so that every maximum runs along whole rows.
- Backward as two products with the cosines' gradient, built from the argmaxes block by block;
  nothing is recomputed.
- bfloat16 on a CPU (AMD EPYC, avx512_bf16; seconds at B = 256, all blocks together). XLA's products
  use none of the CPU's bfloat16 instructions: 3.8 s in all, where float32 takes 3.0 s.
  TensorFlow's own (oneDNN) do: 0.4 s for the forward product in place of XLA's 0.7 s in float32.
  So the loop over blocks and its products stay outside of XLA, which compiles what is done with a
  block's cosines: 1.5 s. A CPU without such instructions computes in float32.
- The same in float32 (AMD EPYC Genoa, 2 cores, B = 128): 600 ms in place of 784 ms for all in XLA
  with AVX-512, 880 ms in place of 872 ms held to AVX2, and at B = 4 (16 and 16 tokens) 11.0 ms in
  place of 12.6 ms; so every CPU computes in this way. On a GPU, XLA compiles all of it.
- In bfloat16, a maximum and its index from one pass over integers, with the bits of a bfloat16
  above its index: 0.25 s in place of 1.2 s.
- The cosines' gradient leaves XLA in four dimensions: 0.17 s in place of 0.42 s in bfloat16, as a
  reshape in the same kernel makes it find every index by divisions.
- In bfloat16, blocks of 2**22 cosines in place of 2**23: slower, 2.6 s in place of 1.6 s on a busy
  machine. Not tried: a backward pass by gather and scatter.
- Of the 1.4 s of "25% selected" in bfloat16, both similarities and their gradients are 0.7 s; the
  rest is mostly `token_selection.batch_scores`, which computes all cosines once more.
- Of `batch_scores`, the products are 85% in float32 and 74% in bfloat16 (B = 96; 194 of 229 ms, 81
  of 109 ms of CPU time): it computes all cosines once, and the similarities those of the selected
  keys, half as many, again. To keep them instead would take the naive form's memory, as a word is
  selected by its cosines to all pictures. Its maxima compiled: no faster in float32, 2.6 times as
  long in bfloat16.
- XLA's flags for oneDNN, XNNPACK and YNN: no difference beyond the noise of a busy machine.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from clipbench_tf.benchmarks.harness.comparison import OURS, PEER, compare
from clipbench_tf.benchmarks.harness.contender import Side
from clipbench_tf.benchmarks.harness.measure import Unit

_OURS = "clipbench_tf.benchmarks.ours.similarity"
_PEER = "clipbench_tf.benchmarks.peers.similarity"
_PICTURES = 128  # of this replica, in the gathered case
_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
_MILLISECONDS = Unit("ms")


def cases(
    batch: Sequence[int] = (64, 128, 256),
    precision: Sequence[str] = ("float32", "bfloat16"),
    gathered: int = 4096,
    repetitions: int = 5,
) -> Iterator[dict]:
    """Yields a record for each precision, size, and form."""
    for kind in precision:
        for size in batch:
            arguments: dict[str, Any] = {"batch": size, "precision": kind}
            naive = {
                PEER: Side(f"{_PEER}:naive", arguments),
                "naive_tensorflow": Side(f"{_OURS}:naive", arguments),
            }
            yield compare(
                f"both ways, B={size}, {kind}",
                _MILLISECONDS,
                {OURS: Side(f"{_OURS}:whole", arguments), **naive},
                repetitions=repetitions,
                tolerance=_TOLERANCE[kind],
            )
            yield compare(
                f"25% selected, B={size}, {kind}",
                _MILLISECONDS,
                {OURS: Side(f"{_OURS}:selected", arguments), PEER: naive[PEER]},
                repetitions=repetitions,
            )
        if gathered:
            arguments = {"batch": _PICTURES, "texts": gathered, "precision": kind}
            yield compare(
                f"gathered, B={_PICTURES}, B'={gathered}, {kind}",
                _MILLISECONDS,
                {OURS: Side(f"{_OURS}:gathered", arguments)},
                repetitions=repetitions,
            )
