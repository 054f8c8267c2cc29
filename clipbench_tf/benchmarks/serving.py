"""The server of `scripts/serve.py` under load, with and without batching; it needs --saved_model.

- "encode_text, 8 clients" and others: requests of one text or picture from 1, 8 and 64 clients,
  each of which asks again as soon as it is answered, for `seconds` in each repetition. Ours joins
  requests; the peer is the same server with `--batch_rows=1` and a thread for each core, which
  calls the model for each request alone. The signatures are encode_text, encode_image, and
  serving_default, which classifies. Latencies are of all repetitions together.
- "memory": that of the server while it answers `requests`, a tenth at a time.

The clients are one process beside the server, on the same cores: on two cores they take a part of
its time, the same from both sides.
"""

import base64
import functools
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clipbench_tf.benchmarks.harness import http_load
from clipbench_tf.benchmarks.harness.comparison import OURS, PEER, facts
from clipbench_tf.benchmarks.harness.contender import ContenderError
from clipbench_tf.benchmarks.harness.measure import Unit, interleaved, summary
from clipbench_tf.benchmarks.harness.server_process import ServerProcess
from clipbench_tf.export import card

CLIENTS = (1, 8, 64)
SIGNATURES = {"encode_text": "text", "encode_image": "image", "serving_default": "image"}
_UNIT = Unit("requests/s", 1)
_DIFFERENT = 64  # requests
_SIDE = 96  # pixels of a picture
_WORDS = "a photo of the red cat dog on blue sky with house tree under green boat and sun"


def cases(
    saved_model: str = "",
    repetitions: int = 3,
    requests: int = 20_000,
    seconds: float = 1.0,
) -> Iterator[dict]:
    """Yields a record for each signature and number of clients, and one for the memory.

    Args:
        saved_model: folder of an export.
        repetitions: of which the medians are taken.
        requests: in the check of memory.
        seconds: of one repetition.

    Raises:
        ExportError: if `saved_model` is no export.
        ContenderError: if the server does not start, or refuses a request.
    """
    if not saved_model:
        raise card.ExportError("This benchmark needs --saved_model, the folder of an export.")
    card.read(Path(saved_model))
    cores = len(os.sched_getaffinity(0))
    with (
        ServerProcess(saved_model) as ours,
        ServerProcess(saved_model, "--batch_rows=1", f"--threads={cores}") as peer,
    ):
        servers = {OURS: ours, PEER: peer}
        for signature, kind in SIGNATURES.items():
            for clients in CLIENTS:
                yield _case(servers, signature, kind, clients, repetitions, seconds) | facts(cores)
        yield _memory(ours, requests) | facts(cores)


def _case(
    servers: dict[str, ServerProcess],
    signature: str,
    kind: str,
    clients: int,
    repetitions: int,
    seconds: float,
) -> dict:
    """Both servers in turns."""
    latencies: dict[str, list[list[float]]] = {name: [] for name in servers}

    def one(name: str) -> float:
        asked = _requests(servers[name].path, signature, kind)
        load = _answered(servers[name].port, asked, clients=clients, seconds=seconds)
        latencies[name].append(load.latencies)
        return load.seconds / len(load.latencies)

    runs = {name: functools.partial(one, name) for name in servers}
    figures = interleaved(runs, repetitions=repetitions)
    return {
        "case": f"{signature}, {clients} client{'s' if clients > 1 else ''}",
        **summary(figures, _UNIT),
        "milliseconds": {name: _percentiles(each[1:]) for name, each in latencies.items()},
    }


def _memory(server: ServerProcess, requests: int) -> dict:
    """The memory of `server` after each tenth of `requests`."""
    asked = _requests(server.path, "encode_text", "text")
    megabytes = [server.megabytes()]
    for _ in range(10):
        _answered(server.port, asked, clients=8, count=requests // 10)
        megabytes.append(server.megabytes())
    return {"case": f"memory, {requests} requests", "unit": "MB", "rss": megabytes}


def _answered(
    port: int,
    requests: list[bytes],
    *,
    clients: int,
    seconds: float = math.inf,
    count: int | None = None,
) -> http_load.Load:
    load = http_load.ask(port, requests, clients=clients, seconds=seconds, count=count)
    if set(load.statuses) != {200}:
        raise ContenderError(f"Requests were answered with the statuses {load.statuses}.")
    return load


def _percentiles(loads: list[list[float]]) -> dict[str, float]:
    """p50 and p99 of all `loads` but the warm-up, in milliseconds."""
    p50, p99 = np.percentile(np.concatenate(loads) * 1e3, [50, 99])
    return {"p50": float(f"{p50:.3g}"), "p99": float(f"{p99:.3g}")}


def _requests(path: str, signature: str, kind: str) -> list[bytes]:
    """Different requests of one text or picture each."""
    draw = np.random.default_rng(0)
    found = []
    for _ in range(_DIFFERENT):
        one: Any = " ".join(draw.choice(_WORDS.split(), 8))
        if kind == "image":
            coarse = draw.integers(0, 256, (8, 8, 3), np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(coarse).resize((_SIDE, _SIDE)).save(buffer, "JPEG")
            one = {"b64": base64.b64encode(buffer.getvalue()).decode()}
        body = {"signature_name": signature, "instances": [one]}
        found.append(http_load.post(f"{path}:predict", json.dumps(body).encode()))
    return found
