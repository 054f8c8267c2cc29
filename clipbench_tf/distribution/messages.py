"""Messages between workers before TensorFlow runs: each listens and answers at its own address.

A message is one line of JSON that names `MAGIC`. A connection that sends anything else is closed.
"""

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable

MAGIC = "clipbench_tf handshake 1"
LONGEST = 8 << 20  # bytes of a message at most
RETRY = 0.2  # seconds between two attempts to connect


class NotAWorker(Exception):
    """The peer is not a worker of this package; the message is what it sent."""


def send(connection: socket.socket, message: dict) -> None:
    """Sends `message` as one line."""
    connection.sendall(json.dumps({"magic": MAGIC, **message}).encode() + b"\n")


def receive(connection: socket.socket, until: float) -> dict:
    """Waits for a message until the monotonic time `until`.

    Raises:
        NotAWorker: if what comes is not a message.
        OSError: if none comes in time, or the connection breaks.
    """
    data = bytearray()
    while not data.endswith(b"\n") and len(data) < LONGEST:
        connection.settimeout(max(0.01, until - time.monotonic()))
        part = connection.recv(1 << 16)
        if not part:
            break
        data += part
        if not data.startswith(b"{"):
            break
    try:
        message = json.loads(data)
    except ValueError:
        message = None
    if not isinstance(message, dict) or message.get("magic") != MAGIC:
        raise NotAWorker(repr(bytes(data[:40])) if data else "it closed the connection")
    return message


def connect(address: tuple[str, int], until: float) -> socket.socket:
    """Opens a connection to (host, port), in one attempt.

    Raises:
        OSError: if it is not open within 5 s, or by the monotonic time `until` if that is earlier.
    """
    return socket.create_connection(address, timeout=min(5.0, max(0.01, until - time.monotonic())))


def ask(
    address: tuple[str, int], question: dict, until: Callable[[], float]
) -> tuple[socket.socket, dict]:
    """Connects and asks until a worker answers; returns the open connection and the answer.

    Raises:
        NotAWorker, OSError: that of the last attempt, at the monotonic time `until()`.
    """
    while True:
        connection = None
        try:
            connection = connect(address, until())
            send(connection, question)
            return connection, receive(connection, until())
        except (OSError, NotAWorker):
            if connection is not None:
                connection.close()
            if time.monotonic() + RETRY >= until():
                raise
            time.sleep(RETRY)


class Listener:
    """Answers all connections at `port` until it is closed; the port is then free.

    Args:
        port: where to listen, on all interfaces.
        answer: makes the answer to a question.
        until: monotonic time until which it waits for messages.
        ipv6: whether to listen on IPv6 instead of IPv4.

    Raises:
        OSError: if it cannot listen at `port`.
    """

    def __init__(
        self, port: int, answer: Callable[[dict], dict], until: float, *, ipv6: bool = False
    ) -> None:
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        # Sets SO_REUSEADDR: closed connections block the port neither here nor for TensorFlow.
        self._server = socket.create_server(("", port), family=family, backlog=1024)
        self._server.settimeout(RETRY / 4)
        self._answer, self._until = answer, until
        self._outcomes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._connections: list[socket.socket] = []
        self._closed = threading.Event()
        self.reached = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def outcome(self) -> str | None:
        """Waits for the error that worker 0 reports, "" for none; None if there is no report."""
        try:
            return self._outcomes.get(timeout=max(0.0, self._until - time.monotonic()))
        except queue.Empty:
            return None

    def close(self) -> None:
        """Closes all connections and stops listening."""
        self._closed.set()
        self._thread.join()  # the port stays in use while this thread accepts
        self._server.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._server.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, NotAWorker):
            question = receive(connection, self._until)
            self.reached = True
            send(connection, self._answer(question))
            error = str(receive(connection, self._until).get("error", ""))
            send(connection, {"heard": True})
            self._outcomes.put(error)
