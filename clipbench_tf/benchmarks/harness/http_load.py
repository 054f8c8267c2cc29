"""Clients that ask an HTTP server again and again, each as soon as it is answered.

One thread with non-blocking sockets, since on a small machine the clients take their time from the
server that they measure: about 40 microseconds for a request, of a core of an AMD EPYC.
"""

import dataclasses
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

    def percentile(self, percent: float) -> float:
        """Seconds within which `percent` of the requests were answered."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def post(path: str, body: bytes) -> bytes:
    """The bytes of a POST request that keeps its connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: load\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask(port: int, requests: Sequence[bytes], *, clients: int, count: int) -> Load:
    """Sends `count` of the `requests`, over and over, from `clients` connections at once.

    Args:
        port: on this machine.
        requests: see `post`.
        clients: connections.
        count: requests of all clients together.

    Raises:
        ConnectionError: if the server closes a connection.
    """
    selector = selectors.DefaultSelector()
    each = [_Client(port) for _ in range(min(clients, count))]
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    sent = 0
    start = time.perf_counter()
    for client in each:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send(requests[sent % len(requests)])
        sent += 1
    while len(latencies) < count:
        for key, _ in selector.select():
            client = key.data
            status = client.receive()
            if status is None:
                continue
            latencies.append(time.perf_counter() - client.since)
            statuses[status] = statuses.get(status, 0) + 1
            if sent < count:
                client.send(requests[sent % len(requests)])
                sent += 1
    seconds = time.perf_counter() - start
    for client in each:
        client.socket.close()
    return Load(seconds, latencies, statuses)


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
