"""The page's files, and what it asks for beyond TensorFlow Serving's REST form.

- GET `/`, `/page/<file>`: the page itself.
- GET `/page/model`: what the page shows and offers, from the model card.
- POST `/page/search`, {"caption": text, "count": number}: the nearest pictures.
- GET `/page/pictures/<place>`: one of the searched pictures, as it is stored.
- POST `/page/align`, {"image": {"b64": bytes}, "caption": text}: see `alignment.aligned`.

Errors are {"error": text}, as in the REST form; the application makes them of `RequestError`.
"""

import asyncio
import base64
import binascii
import dataclasses
import json
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.page import alignment
from clipbench_tf.serving.page.search import Search
from clipbench_tf.serving.served_model import ServedModel

# All is ours and from here; blob: shows the picture that was chosen, before it is sent.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
MOST_FOUND = 100  # pictures of one search
_PICTURES = {
    b"\xff\xd8": "image/jpeg",
    b"\x89PNG": "image/png",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"RIFF": "image/webp",
    b"\xff\x0a": "image/jxl",
    b"\x00\x00\x00\x0cJXL ": "image/jxl",
}

Answer = Callable[[Request], Awaitable[Response]]


def routes(served: ServedModel, *, search: Search | None = None) -> list[Route]:
    """The routes of the page of one model.

    Args:
        served: the model.
        search: of the pictures that can be searched and taken as samples, if any.
    """

    async def model(_: Request) -> Response:
        if search is not None:
            search.start()
        return _json(facts(served, search))

    async def found(request: Request) -> Response:
        asked = await _asked(request, {"caption": str, "count": int})
        if search is None:
            raise ValueError("There is nothing to search; start the server with --search.")
        count = min(asked["count"], MOST_FOUND)
        results = await search.nearest(asked["caption"], count)
        return _json({"found": [dataclasses.asdict(result) for result in results]})

    async def picture(request: Request) -> Response:
        place = request.path_params["place"]
        if search is None or place >= search.pictures.total:
            raise RequestError(404, "There is no such picture.")
        (pair,) = await asyncio.to_thread(search.pictures.read, [place])
        if not pair.image:
            raise RequestError(404, f"This picture cannot be read: {pair.problem}.")
        kind = next((t for start, t in _PICTURES.items() if pair.image.startswith(start)), None)
        return Response(pair.image, media_type=kind or "application/octet-stream", headers=HEADERS)

    async def align(request: Request) -> Response:
        asked = await _asked(request, {"image": dict, "caption": str})
        if alignment.SIGNATURE not in served.signatures:
            raise ValueError("This model aligns no patches and words; FILIP and DeFILIP do.")
        return _json(await alignment.aligned(served, _decoded(asked["image"]), asked["caption"]))

    posts = {"/page/search": found, "/page/align": align}
    return [
        Route("/", _file("index.html")),
        Route("/page/model", _guarded(model)),
        Route("/page/pictures/{place:int}", _guarded(picture)),
        *(Route(path, _guarded(answer), methods=["POST"]) for path, answer in posts.items()),
        *(Route(f"/page/{name}", _file(name)) for name in _names()),
    ]


def facts(served: ServedModel, search: Search | None) -> dict[str, Any]:
    """What the page shows and offers; no path of this machine is in it."""
    card, signatures = served.card, served.signatures
    shown = ("method", "classes", "templates", "image_size", "scorer", "resize")
    return {
        **{name: card[name] for name in shown if name in card},
        "name": served.name,
        "version": str(served.version),
        "dataset": str(card["dataset"]).rstrip("/").rpartition("/")[2],
        "tower": card.get("tower", "both"),
        "classifies": "classify" in signatures,
        "aligns": alignment.SIGNATURE in signatures,
        "search": None
        if search is None
        else {
            "name": search.pictures.name,
            "total": search.pictures.total,
            "planned": search.planned,
            "done": search.done,
            "ready": search.ready,
            "problem": search.problem,
        },
    }


def _names() -> list[str]:
    """The page's own files."""
    return [f.name for f in resources.files(__package__).iterdir() if _kind(f.name) in TYPES]


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


def _file(name: str) -> Answer:
    content = (resources.files(__package__) / name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, headers={**HEADERS, "Content-Type": TYPES[_kind(name)]})

    return answer


def _guarded(answer: Answer) -> Answer:
    """`answer`, with what is wrong in a request as `RequestError`."""

    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except RequestError:
            raise
        except ValueError as error:
            raise RequestError(400, str(error)) from error

    return guarded


async def _asked(request: Request, kinds: dict[str, type]) -> dict[str, Any]:
    """The fields of a JSON body.

    Raises:
        ValueError: if it is none, or lacks one of them.
    """
    try:
        asked = json.loads(await request.body())
    except ValueError as error:
        raise ValueError(f"The request is no JSON: {error}") from None
    for name, kind in kinds.items():
        if not isinstance(asked, dict) or not isinstance(asked.get(name), kind):
            raise ValueError(f"The request has no {name!r} of the right type ({kind.__name__}).")
    return asked


def _decoded(image: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(image["b64"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ValueError("The image is no base64; send {'b64': ...}.") from None


def _json(content: Any) -> Response:
    return JSONResponse(content, headers=HEADERS)
