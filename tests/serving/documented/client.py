"""A client of TensorFlow Serving's REST form, as people write it; it knows no server."""

import json
import urllib.error
import urllib.request


def ask(address: str, path: str, body: object = None, method: str | None = None):
    """The status, and the answer from JSON; `body` is sent as JSON, or as it is if it is bytes."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def predict(address: str, model: str, rows: list, signature: str = "serving_default"):
    """The predictions for `rows`."""
    body = {"signature_name": signature, "instances": rows}
    status, answer = ask(address, f"/v1/models/{model}:predict", body)
    if status != 200:
        raise ValueError(answer["error"])
    return answer["predictions"]
