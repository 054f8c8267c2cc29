"""Builds the trainer that the configuration binds, on all workers or on none."""

import contextlib
import faulthandler
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from clipbench_tf import config
from clipbench_tf.distribution import cluster, handshake, lost_workers, replicas
from clipbench_tf.distribution.cluster import ClusterError
from clipbench_tf.distribution.strategy import own_gpus
from clipbench_tf.training import precision
from clipbench_tf.training.train import Trainer


def build_trainer(workdir: Path, *, timeout: float = 60.0) -> Trainer:
    """Waits for the other workers, builds what the configuration binds, claims the run folder.

    Args:
        workdir: the run folder.
        timeout: seconds that workers wait for each other, and twice that for TensorFlow to
            connect them; if it does not, the process ends with a traceback and exit status 1.

    Raises:
        ConfigError: for a configuration that cannot run.
        ClusterError: if workers do not find each other, differ, or one of them cannot start.
        LostWorkerError: if one is gone before all have started.
    """
    workers = cluster.read()
    gpus = own_gpus(workers)
    settled = precision.settle(workdir)
    if workers is None or workers.index == 0:
        print(precision.message(settled), flush=True)
    if workers is not None:
        compared = f"{config.bound()}\n--workdir={workdir}\nGPUs of each worker: {gpus}\n"
        handshake.meet(workers, compared, timeout=timeout)
        # If a worker dies now, TensorFlow waits for it for an hour, and lets no Python thread run.
        faulthandler.dump_traceback_later(2 * timeout, exit=True)
    try:
        strategy = config.build("strategy.prepare")
    finally:
        faulthandler.cancel_dump_traceback_later()
    with _all_or_none(strategy):
        trainer = config.build("train.Trainer", workdir=workdir, strategy=strategy)
        config.check_used()
        if replicas.is_chief(strategy):
            config.claim(workdir)
    return trainer


@contextlib.contextmanager
def _all_or_none(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """An error on one worker within ends all of them, so that none waits for it."""
    own: ValueError | None = None
    try:
        yield
    except ValueError as error:
        own = error
    with strategy.scope():
        try:
            failed = replicas.of_workers(strategy, int(own is not None))
        except tf.errors.OpError as error:
            raise own or lost_workers.explained(error, "none") from error
    if own is not None:
        raise own
    if any(failed):
        raise ClusterError(f"Worker {failed.index(1)} cannot start; see what it prints.")
