"""The endpoints below /v1/models, by TensorFlow Serving's names: status, metadata, predict."""

import re
import time

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from clipbench_tf.serving import answer, request_body
from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.metrics import Metrics
from clipbench_tf.serving.served_model import ServedModel

PREFIX = "/v1/"
_PLACE = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(rf"{_PLACE}:(?P<verb>predict|classify|regress)", re.IGNORECASE)
_STATUS = re.compile(rf"{_PLACE}(?P<metadata>/metadata)?", re.IGNORECASE)
_STATES = {"ready": "AVAILABLE", "loading": "LOADING", "draining": "UNLOADING", "failed": "END"}


class Rest:
    """The endpoints of `served`; `metrics` counts its predictions."""

    def __init__(self, served: ServedModel, metrics: Metrics) -> None:
        self._served, self._metrics = served, metrics
        self._metadata = _metadata(served)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request whose path starts with `PREFIX`; raises `RequestError`."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"]
        if predict := _PREDICT.fullmatch(path):
            _only(request, "POST")
            self._check_place(predict)
            if predict["verb"].lower() != "predict":
                raise RequestError(
                    400,
                    f"Expected classification or regression signature; an export of clipbench_tf "
                    f"has none for :{predict['verb']}; use :predict.",
                )
            return await self._predict(request)
        if status := _STATUS.fullmatch(path):
            _only(request, "GET", "HEAD")
            if status["metadata"]:
                self._check_place(status)
                return JSONResponse(self._metadata)
            return self._status(status)
        if path.rstrip("/").lower() == "/v1/models":
            raise RequestError(400, "Missing model name in request.")
        raise RequestError(
            400, f"Malformed request: {request.method} {path[:200]}; see /v1/models/<name>."
        )

    async def _predict(self, request: Request) -> Response:
        start, name, status = time.monotonic(), "", 504  # cancelled, if nothing else is said
        try:
            body = await request.body()
            asked = request_body.read(body, self._served.signature)
            name = asked.signature
            outputs = await self._served.predict(name, asked.inputs)
            content = answer.rows(outputs) if asked.by_row else answer.columns(outputs)
            status = 200
            return Response(content, media_type="application/json")
        except RequestError as error:
            status = error.status
            raise
        except Exception:
            status = 500
            raise
        finally:
            self._metrics.answered(name, status, time.monotonic() - start)

    def _status(self, place: re.Match) -> Response:
        served = self._served
        self._check_label(place)
        if place["name"] != served.name:
            raise RequestError(404, f"Could not find any versions of model {place['name']}")
        if place["version"] and int(place["version"]) != served.version:
            version = place["version"][:20]
            raise RequestError(404, f"Could not find version {version} of model {served.name}")
        one = {
            "version": str(served.version),
            "state": _STATES[served.state],
            "status": {"error_code": "OK", "error_message": ""},
        }
        return JSONResponse({"model_version_status": [one]})

    def _check_place(self, place: re.Match) -> None:
        """Refuses another model or version, in TensorFlow Serving's words."""
        self._check_label(place)
        name, version = place["name"][:100], (place["version"] or "")[:20]
        if name != self._served.name or (version and int(version) != self._served.version):
            wanted = f"Specific({name}, {version})" if version else f"Latest({name})"
            raise RequestError(
                404,
                f"Servable not found for request: {wanted}; the model here is "
                f"{self._served.name!r}, version {self._served.version}.",
            )

    def _check_label(self, place: re.Match) -> None:
        if place["label"]:
            raise RequestError(
                400,
                f"Unrecognized servable version label: {place['label'][:100]}; none is defined.",
            )


def _only(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise RequestError(
            405,
            f"Method {request.method} is not allowed here; use {methods[0]}.",
            {"Allow": ", ".join(methods)},
        )


def _metadata(served: ServedModel) -> dict:
    signatures = {
        name: json_format.MessageToDict(
            one, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name, one in served.stored.items()
    }
    return {
        "model_spec": {
            "name": served.name,
            "signature_name": "",
            "version": str(served.version),
        },
        "metadata": {"signature_def": {"signature_def": signatures}},
    }
