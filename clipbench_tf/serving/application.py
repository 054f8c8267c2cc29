"""The ASGI application of a served model: its endpoints, limits, errors, health and metrics."""

import asyncio
import functools
import ipaddress
import logging
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipbench_tf.serving.errors import RequestError, busy
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.metrics import CONTENT_TYPE, Metrics
from clipbench_tf.serving.rest import PREFIX, Rest
from clipbench_tf.serving.served_model import ServedModel


def application(
    served: ServedModel,
    *,
    limits: Limits,
    routes: Sequence[BaseRoute] = (),
    local: bool = False,
) -> ASGIApp:
    """The application; all its answers to errors are {"error": message}.

    Endpoints may raise `RequestError`. Whatever else they raise is logged, and answered with
    status 500 and no detail.

    Args:
        served: loaded or not.
        limits: on the size of a body and the time of an answer, for `routes` as well.
        routes: more endpoints; the paths /v1, /healthz and /metrics are taken.
        local: whether only names of this machine may be asked for, see `Local`.
    """
    metrics = Metrics(served)

    async def healthz(request: Request) -> Response:
        """Live while it answers; ready, and status 200, while the model answers too."""
        ready = served.state == "ready"
        content = {"live": True, "ready": ready, "state": served.state}
        return JSONResponse(content, 200 if ready else 503)

    async def livez(request: Request) -> Response:
        return JSONResponse({"live": True, "ready": served.state == "ready", "state": served.state})

    async def measured(request: Request) -> Response:
        return Response(metrics.page(), headers={"Content-Type": CONTENT_TYPE})

    others = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/healthz/live", livez),
            Route("/metrics", measured),
            *routes,
        ],
        exception_handlers={
            RequestError: _refused,
            HTTPException: _not_found,
            Exception: _failed,
        },
    )
    limited = Limited(Paths(Answered(Rest(served, metrics)), others), limits=limits)
    return Local(limited) if local else limited


class Paths:
    """Sends requests for the model to `rest`, and what else is asked to `others`.

    Starlette's routes and handlers take a fifth of all that is done for a short text.
    """

    def __init__(self, rest: ASGIApp, others: ASGIApp) -> None:
        self._rest, self._others = rest, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (self._rest if ours else self._others)(scope, receive, send)


class Answered:
    """Answers the errors that `app` raises before it answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except RequestError as error:
            await _refusal(error)(scope, receive, send)
        except Exception as error:
            response = await _failed(Request(scope), error)
            await response(scope, receive, send)


class Local:
    """Lets `app` answer only requests that name this machine as their host.

    A page of a stranger, whose name is made to lead here, could otherwise read what a browser on
    this machine can (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = dict(scope.get("headers", ())).get(b"host", b"").decode("latin-1")
        if scope["type"] != "http" or _is_local(host):
            await self._app(scope, receive, send)
            return
        text = f"Only this machine can ask here, not {host[:200]!r}; --host=0.0.0.0 lets others."
        await _refusal(RequestError(403, text))(scope, receive, send)


@functools.lru_cache(maxsize=16)  # nearly all requests name the same
def _is_local(host: str) -> bool:
    """Whether the header `host`, which may end with a port, names this machine."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in ("", "localhost") or name.endswith(".localhost")


class Limited:
    """Bounds the bytes and the seconds of each request to `app`."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._held = 0  # bytes of the bodies of all requests that are not answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read, started = 0, False

        async def receive_some() -> Message:
            nonlocal read
            message = await receive()
            size = len(message.get("body", b""))
            read, self._held = read + size, self._held + size
            self._check(read)
            return message

        async def send_first(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self._limits.seconds):
                length = dict(scope["headers"]).get(b"content-length", b"0")
                if length.isdigit() and int(length[:20]) > self._limits.body_bytes:
                    await _refusal(_too_large(self._limits))(scope, receive, send_first)
                    return
                await self._app(scope, receive_some, send_first)
        except TimeoutError:
            if started:
                raise
            text = f"Deadline exceeded: no answer within {self._limits.seconds:g} s; ask for less."
            await _refusal(RequestError(504, text))(scope, receive, send)
        finally:
            self._held -= read

    def _check(self, read: int) -> None:
        if read > self._limits.body_bytes:
            raise _too_large(self._limits)
        if self._held > self._limits.held_bytes:
            raise busy(f"Requests of {self._limits.held_bytes} bytes are held; try again later.")


def _too_large(limits: Limits) -> RequestError:
    return RequestError(
        413, f"The body has more than {limits.body_bytes} bytes; send several requests."
    )


def _refusal(error: RequestError) -> Response:
    # The rest of a body that was refused is not read, so the connection cannot be used again.
    headers = error.headers | ({"Connection": "close"} if error.status in (413, 504) else {})
    return JSONResponse({"error": str(error)}, error.status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _refusal(error)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.scope["path"][:200]
    text = {
        404: f"There is nothing at {path!r}; the model is below /v1/models.",
        405: f"Method {request.method} is not allowed at {path!r}.",
    }.get(error.status_code, error.detail)
    return JSONResponse({"error": text}, error.status_code, dict(error.headers or {}))


async def _failed(request: Request, error: Exception) -> Response:
    logging.error("%s %s failed.", request.method, request.scope["path"], exc_info=error)
    return JSONResponse({"error": "The server failed; its log says why."}, 500)
