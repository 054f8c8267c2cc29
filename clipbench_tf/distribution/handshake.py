"""Workers make sure that they belong together, before TensorFlow connects them and may hang.

Worker 0 calls every listed address, its own too, compares what all answer, and tells all.
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

DIFFERENCE = 20  # lines that are shown
GRACE = 5.0  # seconds that others still have to answer once something is wrong


def meet(cluster: Cluster, config: str, *, timeout: float = 60.0, code: dict | None = None) -> None:
    """Returns when all workers of `cluster` are there and alike; their ports are free again.

    Args:
        cluster: as this worker's environment has it.
        config: the configuration, which must be the same on all workers.
        timeout: seconds after which every worker gives up.
        code: versions that must be the same on all workers; by default those of `versions`.

    Raises:
        ClusterError: on every worker within `timeout`, naming who is missing or differs.
    """
    until = time.monotonic() + timeout
    host, port = split(cluster.address)
    mine = {
        "index": cluster.index,
        "addresses": list(cluster.addresses),
        "code": versions() if code is None else code,
        "config": config,
        "token": secrets.token_hex(8),  # not that of another process with this index
    }

    def answer(question: dict) -> dict:
        unreached = _unreached(cluster.addresses[0], until)
        return {**mine, "seconds": until - time.monotonic(), "unreached": unreached}

    try:
        listener = Listener(port, answer, until, ipv6=":" in host)
    except OSError as error:
        raise ClusterError(_not_listening(cluster, error)) from None
    try:
        if cluster.index == 0:
            wrong = _Round(cluster, mine, until, timeout).verdict()
        else:
            wrong = _told(listener, cluster, timeout)
    finally:
        listener.close()
    if wrong:
        raise ClusterError(wrong)


def versions() -> dict:
    """What numbers depend on, of this process: packages and the commit of a checkout."""
    packages = {k: v for k, v in record.packages().items() if k != "python"}
    return {**packages, "git commit": record.commit()}


class _Round:
    """The calls of worker 0."""

    def __init__(self, cluster: Cluster, mine: dict, until: float, timeout: float) -> None:
        self._cluster, self._mine, self._timeout = cluster, mine, timeout
        # What is left of everyone's time is for telling the outcome.
        self._margin = min(2.0, timeout / 10)
        self._until = until - self._margin
        self._change = threading.Condition()
        self._connections: dict[int, socket.socket] = {}
        self._errors: dict[int, str] = {}
        self._missing: dict[int, str] = dict.fromkeys(range(len(cluster.addresses)), "no answer")

    def verdict(self) -> str:
        """Calls all and tells all; returns what is wrong, "" for nothing."""
        for index in range(len(self._cluster.addresses)):
            threading.Thread(target=self._call, args=[index], daemon=True).start()
        with self._change:
            while self._missing and time.monotonic() < self._until:
                self._change.wait(max(0.01, self._until - time.monotonic()))
            lines = [self._errors[index] for index in sorted(self._errors)]
            if self._missing and not lines:
                lines = [self._absent()]
            connections = dict(self._connections)
        error = "\n".join(lines)
        left = [n for n, connection in connections.items() if not self._tell(connection, error)]
        if left and not error:
            return f"{_names(left, self._cluster.addresses)} left while others were waited for."
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
        wrong = _wrong(index, answer, self._mine)
        with self._change:
            del self._missing[index]
            self._connections[index] = connection
            left = float(answer.get("seconds", 0.0)) - self._margin
            self._until = min(self._until, time.monotonic() + (min(left, GRACE) if wrong else left))
            if wrong:
                self._errors[index] = wrong
            self._change.notify()

    def _absent(self) -> str:
        addresses = self._cluster.addresses
        reasons = [f"worker {n} at {addresses[n]} ({why})" for n, why in self._missing.items()]
        shown = ", ".join(reasons[:8]) + (" and others" if len(reasons) > 8 else "")
        return (
            f"{len(reasons)} of {len(addresses)} workers did not answer worker 0 within "
            f"{self._timeout:.0f} s: {shown}. See whether they run and what they print, whether "
            f"these addresses are theirs, and whether a firewall keeps the port closed."
        )

    def _tell(self, connection: socket.socket, error: str) -> bool:
        try:
            with connection:
                connection.settimeout(self._margin)
                messages.send(connection, {"error": error})
                messages.receive(connection, time.monotonic() + self._margin)
        except (OSError, NotAWorker):
            return False
        return True


def _wrong(index: int, answer: dict, mine: dict) -> str:
    """What keeps the worker that gave `answer` from training with worker 0 (`mine`)."""
    addresses = mine["addresses"]
    who = f"Worker {index} at {addresses[index]}"
    if answer.get("index") != index:
        return (
            f"Worker {answer.get('index')} answers where worker {index} should, at "
            f"{addresses[index]}. Give every worker the same list of addresses, and its own index."
        )
    if index == 0 and answer.get("token") != mine["token"]:
        return (
            f"Another process that is worker 0 too answers at {addresses[0]}. Give every worker "
            f"its own index, and start each once."
        )
    theirs = list(answer.get("addresses", []))
    if len(theirs) != len(addresses):
        return (
            f"{who} counts {len(theirs)} workers, worker 0 counts {len(addresses)}. Give all the "
            f"same list of addresses."
        )
    for n, (one, other) in enumerate(zip(addresses, theirs, strict=True)):
        if one != other:
            return (
                f"{who} has worker {n} at {other}, worker 0 has it at {one}. Give all the same "
                f"list of addresses."
            )
    if answer.get("unreached"):
        return (
            f"{who} cannot reach worker 0 at {addresses[0]} ({answer['unreached']}). Give worker 0 "
            f"an address that the others can use, and let its port through."
        )
    return _differs(who, answer, mine)


def _differs(who: str, answer: dict, mine: dict) -> str:
    code, own = answer.get("code", {}), mine["code"]
    names = [n for n in sorted({*code, *own}) if code.get(n) != own.get(n)]
    if names:
        shown = ", ".join(f"{n} {code.get(n)} where that has {own.get(n)}" for n in names)
        return f"{who} runs other code than worker 0: {shown}. Install the same on all."
    before, after = str(mine["config"]), str(answer.get("config"))
    if before != after:
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "worker 0", who, lineterm="", n=0
        )
        shown = "\n".join(list(lines)[:DIFFERENCE])
        return (
            f"{who} has another configuration than worker 0. Start all with the same command and "
            f"the same gin files. The difference:\n{shown}"
        )
    return ""


def _told(listener: Listener, cluster: Cluster, timeout: float) -> str:
    """What worker 0 tells this one, or that it does not."""
    error = listener.verdict()
    if error is not None:
        return error
    me = f"worker {cluster.index} at {cluster.address}"
    zero = f"Worker 0 at {cluster.addresses[0]}"
    if listener.called:
        return f"{zero} called {me}, but ended before all were found. See what it prints."
    return (
        f"{zero} did not call {me} within {timeout:.0f} s. See whether it runs and what it prints, "
        f"whether {cluster.address} is this machine and open in its firewall, and whether no "
        f"other process has the index {cluster.index} too."
    )


def _not_listening(cluster: Cluster, error: OSError) -> str:
    why = str(error.strerror)
    if error.errno == errno.EADDRINUSE:
        why = f"the port is taken, perhaps by another process with the index {cluster.index}"
    return (
        f"Worker {cluster.index} cannot listen at its address {cluster.address}: {why}. Give every "
        f"worker its own index, and a port that is free."
    )


def _unreached(address: str, until: float) -> str:
    """Why `address` cannot be connected to, "" if it can."""
    try:
        messages.connect(split(address), until).close()
    except OSError as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, NotAWorker):
        return f"something else answers there: {error}"
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    return str(getattr(error, "strerror", None) or error)


def _names(indices: list[int], addresses: tuple[str, ...]) -> str:
    return ", ".join(f"Worker {n} at {addresses[n]}" for n in indices)
