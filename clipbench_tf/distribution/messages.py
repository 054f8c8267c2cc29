"""How workers talk before TensorFlow runs: one calls, each answers at its own address.

Messages are lines of JSON. Whoever speaks otherwise is a stranger: he is hung up on.
"""

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable

MAGIC = "clipbench_tf handshake 1"
LONGEST = 8 << 20  # bytes of one message
RETRY = 0.2  # seconds


class NotAWorker(Exception):
    """What answers is no worker of ours; the message is what it said."""


def send(connection: socket.socket, message: dict) -> None:
    """Sends `message` on its own line."""
    connection.sendall(json.dumps({"magic": MAGIC, **message}).encode() + b"\n")


def receive(connection: socket.socket, until: float) -> dict:
    """Waits for a message until the monotonic time `until`.

    Raises:
        NotAWorker: for anything else than a message.
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
        raise NotAWorker(repr(bytes(data[:40])) if data else "it hung up")
    return message


def connect(address: tuple[str, int], until: float) -> socket.socket:
    """One attempt.

    Raises:
        OSError: if nothing answers by `until`, and within 5 s.
    """
    return socket.create_connection(address, timeout=min(5.0, max(0.01, until - time.monotonic())))


def ask(
    address: tuple[str, int], question: dict, until: Callable[[], float]
) -> tuple[socket.socket, dict]:
    """Calls again and again until a worker answers; returns the open connection and the answer.

    Raises:
        NotAWorker, OSError: what the last call met, when the monotonic time `until()` has come.
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
    """Answers all calls at `port` until it is closed; the port is then free.

    Args:
        port: where to listen, on all interfaces.
        answer: makes the answer to a question.
        until: monotonic time when callers are hung up on.
        ipv6: whether the address of this worker is one of IPv6.

    Raises:
        OSError: if the port cannot be listened at.
    """

    def __init__(
        self, port: int, answer: Callable[[dict], dict], until: float, *, ipv6: bool = False
    ) -> None:
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        # Sets SO_REUSEADDR: closed connections of this port stop neither us nor TensorFlow.
        self._server = socket.create_server(("", port), family=family, backlog=1024)
        self._server.settimeout(RETRY / 4)
        self._answer, self._until = answer, until
        self._verdicts: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._connections: list[socket.socket] = []
        self._closed = threading.Event()
        self.called = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def verdict(self) -> str | None:
        """Waits for what the caller finds wrong, "" for nothing; None if he does not say."""
        try:
            return self._verdicts.get(timeout=max(0.0, self._until - time.monotonic()))
        except queue.Empty:
            return None

    def close(self) -> None:
        """Hangs up on all, and listens no more."""
        self._closed.set()
        self._thread.join()  # while it accepts, the port would stay in use
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
            self.called = True
            send(connection, self._answer(question))
            error = str(receive(connection, self._until).get("error", ""))
            send(connection, {"heard": True})
            self._verdicts.put(error)
