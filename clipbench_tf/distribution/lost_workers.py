"""Which of the other workers is gone, where an exchange with them has failed."""

import re
import socket

import tensorflow as tf

from clipbench_tf.distribution import cluster, replicas

STATUS = 75  # sysexits.h's EX_TEMPFAIL: the same command can be started again
LINGER = 10.0  # seconds for which one that leaves still answers, or others would take it for lost
_PATIENCE = 5.0  # seconds to answer in


class LostWorkerError(RuntimeError):
    """Another worker died or cannot be reached; the message names it and the remedy."""


def explained(error: tf.errors.OpError, latest: str) -> Exception:
    """`error`, or what it means on one of several workers: another one is gone.

    Args:
        error: what an exchange between workers raised.
        latest: the last checkpoint, for the message.
    """
    text = str(error)
    if replicas.workers() == 1 or not re.search("[Cc]ollective|CoordinationService", text):
        return error
    resolver = tf.distribute.get_strategy().cluster_resolver
    addresses = resolver.cluster_spec().as_dict()["worker"]
    lost = [n for n in named(text) if n < len(addresses)] or [
        n for n, a in enumerate(addresses) if n != replicas.worker() and not listens(a)
    ]
    gone = " and ".join(f"worker {n} ({addresses[n]})" for n in lost)
    return LostWorkerError(
        f"Worker {replicas.worker()} has lost {gone or 'a worker that still listens'}. Start the "
        f"same command again on all workers; it goes on from the last checkpoint, {latest}. "
        f"TensorFlow says: {last_words(text)}"
    )


def named(text: str) -> list[int]:
    """The workers whose loss TensorFlow's message `text` tells of; may be none."""
    unhealthy = re.search(r"stopped sending heartbeats\):((?:\s*/job:\S+)+)", text)
    if unhealthy:
        return sorted({int(n) for n in re.findall(r"task:(\d+)", unhealthy[1])})
    if "CoordinationService/" in text:
        return [0]  # where that service is
    # Errors are passed on from worker to worker: the first one told of is where it began.
    return [int(n) for n in re.findall(r"remote target /job:\S*task:(\d+)", text)[:1]]


def listens(address: str) -> bool:
    """Whether something takes connections at 'host:port'."""
    try:
        socket.create_connection(cluster.split(address), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def last_words(text: str) -> str:
    """Of a long message, the few words that say why a collective ended."""
    innermost = text.rpartition("aborted by: ")[2]
    return re.split(r"\n|\\+n", innermost)[0].strip().rstrip(":")
