"""What workers exchange in a step, without the step: gathered keys of FILIP, and gradients."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping

import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.distribution import replicas
from clipbench_tf.distribution.launcher import environments
from clipbench_tf.distribution.strategy import prepare

KEYS = (128, 20, 256)  # of a worker's texts, in bfloat16
WEIGHTS = 10_000_000  # float32 gradients


def exchange(workers: int) -> Job:
    """A job whose repetition is one exchange of this process with `workers` - 1 others."""
    here, *others = environments(workers, {})
    spawn = multiprocessing.get_context("spawn")
    for other in others:
        spawn.Process(target=_follow, args=(other,), daemon=True).start()
    return Job(_step(here))


def _follow(environment: Mapping[str, str]) -> None:
    """Takes part in every exchange, until this process is ended."""
    step = _step(environment)
    while True:
        step()


def _step(environment: Mapping[str, str]) -> Callable[[], object]:
    os.environ.update(environment)
    strategy = prepare()

    def replica() -> tf.Tensor:
        keys = replicas.gather(tf.ones(KEYS, tf.bfloat16))
        with tf.control_dependencies([keys]):  # no two collectives at once
            (gradients,) = replicas.total([tf.ones([WEIGHTS])])
        return gradients[0]

    step = tf.function(lambda: strategy.run(replica), autograph=False)

    def run() -> None:
        strategy.experimental_local_results(step())[0].numpy()
        # TensorFlow's workers survive this signal, by which all of them are ended.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    return run
