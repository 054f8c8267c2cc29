"""Which of the other workers is gone, where an exchange with them has failed."""

import re
import socket

import tensorflow as tf

from clipbench_tf.training import replicas

STATUS = 75  # sysexits.h's EX_TEMPFAIL: the same command can be started again
_PATIENCE = 5.0  # seconds to answer in


class LostWorkerError(RuntimeError):
    """Another worker died or cannot be reached; the message names it and the remedy."""


def explained(error: tf.errors.OpError, latest: str) -> Exception:
    """`error`, or what it means on one of several workers: another one is gone.

    Args:
        error: what an exchange between workers raised.
        latest: the last checkpoint, for the message.
    """
    if replicas.workers() == 1 or "ollective" not in str(error):
        return error
    resolver = tf.distribute.get_strategy().cluster_resolver
    addresses = resolver.cluster_spec().as_dict()["worker"]
    # One that hangs is found by TensorFlow, though its machine still takes connections.
    hanging = {int(number) for number in re.findall(r"task:(\d+) is down", str(error))}
    silent = [
        f"{number} ({address})"
        for number, address in enumerate(addresses)
        if number != replicas.worker() and (number in hanging or not _listens(address))
    ]
    gone = f"worker {' and worker '.join(silent)}" if silent else "a worker that still listens"
    return LostWorkerError(
        f"Worker {replicas.worker()} has lost {gone}. Start the same command again on all workers; "
        f"it goes on from the last checkpoint, {latest}. TensorFlow says: {_last_words(str(error))}"
    )


def _listens(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def _last_words(text: str) -> str:
    """The line of a long message that says why the collective ended."""
    lines = [line.strip() for line in text.splitlines() if "aborted by" in line]
    return re.sub(r"{{.*?}} ", "", lines[-1] if lines else text.splitlines()[0])
