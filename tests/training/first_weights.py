"""Gives a small method its first weights as one of two workers; leaves what it then has.

python -m tests.training.first_weights <folder to write to> <source of worker 0> <of worker 1>
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.training import initialization
from tests.training.test_initialization import method, values


def main() -> None:
    folder, sources = Path(sys.argv[1]), sys.argv[2:]
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        made, worker = method(), replicas.worker()
        initialization.initialize(made, sources[worker], strategy)
    np.savez(folder / f"{worker}.npz", **values(made))
    replicas.barrier(strategy)


if __name__ == "__main__":
    main()
