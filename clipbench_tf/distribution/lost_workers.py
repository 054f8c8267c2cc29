"""Finds which worker is lost after a collective has failed."""

import re
import socket

import tensorflow as tf

from clipbench_tf.distribution import cluster, replicas

STATUS = 75  # sysexits.h's EX_TEMPFAIL: the same command can be started again
LINGER = 10.0  # seconds to keep listening before exit; others would report this worker as lost
_CONNECT_TIMEOUT = 5.0  # seconds


class LostWorkerError(RuntimeError):
    """Another worker died or cannot be reached; the message names it and the remedy."""


def explained(error: tf.errors.OpError, latest: str) -> Exception:
    """`error`, or a LostWorkerError where it comes from the loss of another worker.

    Args:
        error: what a step or a collective raised.
        latest: path of the last checkpoint, for the message.
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
        f"TensorFlow says: {root_cause(text)}"
    )


def named(text: str) -> list[int]:
    """Indices of the workers that TensorFlow's message `text` reports as lost; may be empty."""
    unhealthy = re.search(r"stopped sending heartbeats\):((?:\s*/job:\S+)+)", text)
    if unhealthy:
        return sorted({int(n) for n in re.findall(r"task:(\d+)", unhealthy[1])})
    if "CoordinationService/" in text:
        return [0]  # it runs that service
    # Workers forward errors to each other: the first one named is the origin.
    return [int(n) for n in re.findall(r"remote target /job:\S*task:(\d+)", text)[:1]]


def listens(address: str) -> bool:
    """Whether something accepts connections at 'host:port'."""
    try:
        socket.create_connection(cluster.split(address), timeout=_CONNECT_TIMEOUT).close()
    except OSError:
        return False
    return True


def root_cause(text: str) -> str:
    """The part of TensorFlow's message `text` that says why a collective failed."""
    innermost = text.rpartition("aborted by: ")[2]
    return re.split(r"\n|\\+n", innermost)[0].strip().rstrip(":")
