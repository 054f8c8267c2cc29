"""Checks that all workers agree, before TensorFlow connects them and hangs if they do not.

Worker 0 connects to every listed address, its own included, compares the answers, and sends the
outcome to all.
"""

import difflib
import errno
import secrets
import socket
import threading
import time

from clipbench_tf import record
from clipbench_tf.distribution import messages
from clipbench_tf.distribution.cluster import Cluster, ClusterError, split
from clipbench_tf.distribution.messages import Listener, NotAWorker

DIFF_LINES = 20  # of a configuration, in a message
GRACE = 5.0  # seconds that the other workers still have to answer after the first error


def meet(cluster: Cluster, config: str, *, timeout: float = 60.0, code: dict | None = None) -> None:
    """Returns once all workers of `cluster` answer and agree; their ports are then free again.

    Args:
        cluster: as this worker's environment describes it.
        config: the configuration, which must be the same on all workers.
        timeout: seconds after which every worker gives up.
        code: versions that must be the same on all workers; by default `versions()`.

    Raises:
        ClusterError: on every worker within `timeout`, naming the ones that are missing or differ.
    """
    until = time.monotonic() + timeout
    host, port = split(cluster.address)
    identity = {
        "index": cluster.index,
        "addresses": list(cluster.addresses),
        "code": versions() if code is None else code,
        "config": config,
        "token": secrets.token_hex(8),  # differs from that of another process with this index
    }

    def answer(question: dict) -> dict:
        unreachable = _unreachable(cluster.addresses[0], until)
        return {**identity, "seconds": until - time.monotonic(), "unreachable": unreachable}

    try:
        listener = Listener(port, answer, until, ipv6=":" in host)
    except OSError as error:
        raise ClusterError(_listen_error(cluster, error)) from None
    try:
        if cluster.index == 0:
            problem = _Coordinator(cluster, identity, until, timeout).outcome()
        else:
            problem = _await_outcome(listener, cluster, timeout)
    finally:
        listener.close()
    if problem:
        raise ClusterError(problem)


def versions() -> dict:
    """The versions that results depend on, in this process: packages and the git commit."""
    packages = {k: v for k, v in record.packages().items() if k != "python"}
    return {**packages, "git commit": record.commit()}


class _Coordinator:
    """Worker 0's side of the handshake."""

    def __init__(self, cluster: Cluster, identity: dict, until: float, timeout: float) -> None:
        self._cluster, self._identity, self._timeout = cluster, identity, timeout
        # The rest of every worker's time is reserved for sending the outcome.
        self._margin = min(2.0, timeout / 10)
        self._until = until - self._margin
        self._change = threading.Condition()
        self._connections: dict[int, socket.socket] = {}
        self._errors: dict[int, str] = {}
        self._missing: dict[int, str] = dict.fromkeys(range(len(cluster.addresses)), "no answer")

    def outcome(self) -> str:
        """Compares all workers and sends them the outcome; returns the error, or ""."""
        for index in range(len(self._cluster.addresses)):
            threading.Thread(target=self._call, args=[index], daemon=True).start()
        with self._change:
            while self._missing and time.monotonic() < self._until:
                self._change.wait(max(0.01, self._until - time.monotonic()))
            lines = [self._errors[index] for index in sorted(self._errors)]
            if self._missing and not lines:
                lines = [self._missing_error()]
            connections = dict(self._connections)
        error = "\n".join(lines)
        left = [n for n, peer in connections.items() if not self._send_outcome(peer, error)]
        if left and not error:
            names = _names(left, self._cluster.addresses)
            return f"{names} disconnected while worker 0 waited for others."
        return error

    def _call(self, index: int) -> None:
        address = self._cluster.addresses[index]
        try:
            connection, answer = messages.ask(split(address), {"to": index}, lambda: self._until)
        except (OSError, NotAWorker) as error:
            with self._change:
                self._missing[index] = _reason(error)
                self._change.notify()
            return
        mismatch = _mismatch(index, answer, self._identity)
        with self._change:
            del self._missing[index]
            self._connections[index] = connection
            left = float(answer.get("seconds", 0.0)) - self._margin
            left = min(left, GRACE) if mismatch else left
            self._until = min(self._until, time.monotonic() + left)
            if mismatch:
                self._errors[index] = mismatch
            self._change.notify()

    def _missing_error(self) -> str:
        addresses = self._cluster.addresses
        reasons = [f"worker {n} at {addresses[n]} ({why})" for n, why in self._missing.items()]
        shown = ", ".join(reasons[:8]) + (" and others" if len(reasons) > 8 else "")
        return (
            f"{len(reasons)} of {len(addresses)} workers did not answer worker 0 within "
            f"{self._timeout:.0f} s: {shown}. Check that they run and what they print, that "
            f"the addresses are theirs, and that no firewall blocks the ports."
        )

    def _send_outcome(self, connection: socket.socket, error: str) -> bool:
        try:
            with connection:
                connection.settimeout(self._margin)
                messages.send(connection, {"error": error})
                messages.receive(connection, time.monotonic() + self._margin)
        except (OSError, NotAWorker):
            return False
        return True


def _mismatch(index: int, answer: dict, expected: dict) -> str:
    """Why the worker that gave `answer` cannot train with worker 0 (`expected`); "" if it can."""
    addresses = expected["addresses"]
    who = f"Worker {index} at {addresses[index]}"
    if answer.get("index") != index:
        return (
            f"Worker {answer.get('index')} answers where worker {index} should, at "
            f"{addresses[index]}. Give every worker the same list of addresses, and its own index."
        )
    if index == 0 and answer.get("token") != expected["token"]:
        return (
            f"Another process with index 0 answers at {addresses[0]}. Give every worker its own "
            f"index, and start each once."
        )
    listed = list(answer.get("addresses", []))
    if len(listed) != len(addresses):
        return (
            f"{who} counts {len(listed)} workers, worker 0 counts {len(addresses)}. Give all the "
            f"same list of addresses."
        )
    for n, (one, other) in enumerate(zip(addresses, listed, strict=True)):
        if one != other:
            return (
                f"{who} has worker {n} at {other}, worker 0 has it at {one}. Give all the same "
                f"list of addresses."
            )
    if answer.get("unreachable"):
        return (
            f"{who} cannot reach worker 0 at {addresses[0]} ({answer['unreachable']}). Give "
            f"worker 0 an address that the others can reach, and open its port in the firewall."
        )
    return _version_or_config_mismatch(who, answer, expected)


def _version_or_config_mismatch(who: str, answer: dict, expected: dict) -> str:
    code, wanted = answer.get("code", {}), expected["code"]
    names = [n for n in sorted({*code, *wanted}) if code.get(n) != wanted.get(n)]
    if names:
        shown = ", ".join(f"{n} {code.get(n)} instead of {wanted.get(n)}" for n in names)
        return f"{who} runs other versions than worker 0: {shown}. Install the same on all workers."
    before, after = str(expected["config"]), str(answer.get("config"))
    if before != after:
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "worker 0", who, lineterm="", n=0
        )
        shown = "\n".join(list(lines)[:DIFF_LINES])
        return (
            f"{who} has another configuration than worker 0. Start all with the same command and "
            f"the same gin files. The difference:\n{shown}"
        )
    return ""


def _await_outcome(listener: Listener, cluster: Cluster, timeout: float) -> str:
    """The error that worker 0 reports, "" for none, or that it reports nothing."""
    error = listener.outcome()
    if error is not None:
        return error
    this = f"worker {cluster.index} at {cluster.address}"
    zero = f"Worker 0 at {cluster.addresses[0]}"
    if listener.reached:
        return f"{zero} reached {this}, but ended before all workers answered. See what it prints."
    return (
        f"{zero} did not reach {this} within {timeout:.0f} s. Check that it runs and what it "
        f"prints, that {cluster.address} is this machine and open in its firewall, and that no "
        f"other process has the index {cluster.index}."
    )


def _listen_error(cluster: Cluster, error: OSError) -> str:
    why = str(error.strerror)
    if error.errno == errno.EADDRINUSE:
        why = f"the port is in use, perhaps by another process with the index {cluster.index}"
    return (
        f"Worker {cluster.index} cannot listen at its address {cluster.address}: {why}. Give every "
        f"worker its own index and a free port."
    )


def _unreachable(address: str, until: float) -> str:
    """Why this worker cannot connect to `address`; "" if it can."""
    try:
        messages.connect(split(address), until).close()
    except OSError as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, NotAWorker):
        return f"another program answers there: {error}"
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    return str(getattr(error, "strerror", None) or error)


def _names(indices: list[int], addresses: tuple[str, ...]) -> str:
    return ", ".join(f"Worker {n} at {addresses[n]}" for n in indices)
