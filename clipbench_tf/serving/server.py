"""Runs the application on a port until a signal ends it, and loads the model meanwhile."""

import errno
import gc
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.served_model import ServedModel

_IDLE = 75  # seconds after which a connection without requests is closed
_GARBAGE = 10_000  # new objects, about those of 100 requests, after which garbage is looked for
_BACKLOG = 2048  # connections that wait to be accepted


class ServerError(OSError):
    """The server cannot listen; the message has the remedy."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is a free one.

    Raises:
        ServerError: if the address is taken, or is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServerError(f"There is no address {host!r} here ({error.strerror}).") from None
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        taken = error.errno == errno.EADDRINUSE
        remedy = "choose another --port, or 0 for a free one" if taken else "choose another --host"
        raise ServerError(f"Cannot listen on {host}:{port} ({error.strerror}); {remedy}.") from None
    return found


def is_local(listening: socket.socket) -> bool:
    """Whether only this machine can ask at the address of a socket."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def url(listening: socket.socket) -> str:
    """The address of a socket, for a browser on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    app: ASGIApp,
    served: ServedModel,
    listening: socket.socket,
    *,
    limits: Limits,
    ready: Callable[[], None],
) -> None:
    """Serves `app` until SIGTERM or SIGINT; then requests in flight are answered, and no others.

    A second SIGINT ends it at once. The model is loaded in a thread, so that `/healthz` answers.

    Args:
        app: of `served`.
        served: not loaded yet.
        listening: see `listen`.
        limits: its `seconds` bound how long requests in flight may take.
        ready: is called when the model answers.

    Raises:
        ExportError: if the model cannot be loaded.
    """
    server = uvicorn.Server(_config(app, limits))
    failures: list[Exception] = []

    def stop(*_: object) -> None:
        server.should_exit = True

    def load() -> None:
        try:
            _load(served)
        except Exception as error:
            failures.append(error)
            stop()
        else:
            if served.state == "ready":
                ready()

    # Uvicorn raises the signal again when it has ended, for the handlers that were there before.
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    loading = threading.Thread(target=load, name="load")
    loading.start()
    try:
        server.run(sockets=[listening])
        served.close()
        loading.join()  # a thread within TensorFlow cannot be stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if failures:
        raise failures[0]


def _load(served: ServedModel) -> None:
    served.load()
    # What is there now stays; without this, Python looks through all of TensorFlow's objects for
    # garbage while requests wait.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks does not matter
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=int(limits.seconds) + 1,
    )
