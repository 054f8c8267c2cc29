"""Clients that ask an HTTP server again and again, each as soon as it is answered.

One thread with non-blocking sockets, since on a small machine the clients take their time from the
server that they measure: about 40 microseconds for a request, of a core of an AMD EPYC.
"""

import collections
import dataclasses
import itertools
import selectors
import socket
import time
from collections.abc import Sequence

_READ = 1 << 18  # bytes


@dataclasses.dataclass(frozen=True)
class Load:
    """What the clients saw.

    Attributes:
        seconds: from the first request to the last answer.
        latencies: seconds of each request.
        statuses: of HTTP, the number of answers with each.
    """

    seconds: float
    latencies: list[float]
    statuses: dict[int, int]


def post(path: str, body: bytes) -> bytes:
    """The bytes of a POST request that keeps its connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask(
    port: int,
    requests: Sequence[bytes],
    *,
    clients: int,
    seconds: float = float("inf"),
    count: int | None = None,
) -> Load:
    """Sends the `requests`, over and over, from `clients` connections at once.

    Args:
        port: on this machine.
        requests: see `post`.
        clients: connections.
        seconds: after which no more are sent.
        count: requests of all clients together at most.

    Raises:
        ConnectionError: if the server closes a connection.
    """
    each = [_Client(port) for _ in range(clients if count is None else min(clients, count))]
    coming = itertools.islice(itertools.cycle(requests), count)
    latencies: list[float] = []
    statuses: collections.Counter[int] = collections.Counter()
    start = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for client in each:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.send(next(coming))
        busy = len(each)
        while busy:
            for key, _ in selector.select():
                client = key.data
                status = client.receive()
                if status is None:
                    continue
                now = time.perf_counter()
                latencies.append(now - client.since)
                statuses[status] += 1
                request = next(coming, None) if now - start < seconds else None
                if request is None:
                    busy -= 1
                else:
                    client.send(request)
    took = time.perf_counter() - start
    for client in each:
        client.socket.close()
    return Load(took, latencies, dict(statuses))


class _Client:
    """A connection, and the answer that arrives on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since = 0.0
        self._answer = b""

    def send(self, request: bytes) -> None:
        self.since = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Reads what has come; the status if the answer is complete."""
        some = self.socket.recv(_READ)
        if not some:
            raise ConnectionError("The server closed a connection.")
        self._answer += some
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._answer[:end].lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self._answer) < end + 4 + length:
            return None
        self._answer = b""
        return int(head.split(b" ", 2)[1])
