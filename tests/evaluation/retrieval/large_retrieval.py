"""Large representations: `python large_retrieval.py PICTURES` prints the peak memory in bytes.

Run as a program by the tests, not imported.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import tensorflow as tf

from clipbench_tf.evaluation.retrieval.retrieval import Retrieval
from tests.evaluation.retrieval.samples import CosineSamples, dataset

WIDTH = 16_384  # of an embedding: 64 KiB a picture


class Wide(CosineSamples):
    """Embeddings of pictures are far larger than the pictures."""

    def represent_images(self, encoded):
        return {"embedding": tf.random.normal([len(encoded), WIDTH])}, encoded != b""

    def represent_classes(self, prompts):
        return {"embedding": tf.random.normal([len(prompts), WIDTH])}


pictures = int(sys.argv[1])
pairs = [(b"%d" % i, [f"caption {i % 500}"]) for i in range(pictures)]
Retrieval(Wide(), dataset(pairs), memory=2**24).results()
# Not `getrusage`, whose peak a process inherits from the one that started it.
status = Path("/proc/self/status").read_text(encoding="utf-8")
print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024)
