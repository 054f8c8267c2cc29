"""Errors that clients get to read, and how those of TensorFlow become such."""

import logging
import re

import tensorflow as tf

# As TensorFlow Serving maps the codes of TensorFlow to those of HTTP.
_STATUS = {
    tf.errors.InvalidArgumentError: 400,
    tf.errors.FailedPreconditionError: 400,
    tf.errors.OutOfRangeError: 400,
    tf.errors.ResourceExhaustedError: 429,
    tf.errors.UnimplementedError: 501,
    tf.errors.UnavailableError: 503,
    tf.errors.DeadlineExceededError: 504,
}
_GRAPH = re.compile(r"\s*(\n|\[\[|\{\{|\[Op:).*", re.DOTALL)
_PATH = re.compile(r"(?<![\w.])[\w.+-]*(/[\w.+-]+){2,}(:\d+)?")
_ASSERTION = "ssertion failed: "
_LONGEST = 500  # characters


class RequestError(ValueError):
    """A request that is refused; the message names the part that is wrong, and the remedy.

    Attributes:
        status: of HTTP, as TensorFlow Serving maps the kinds of errors.
        headers: of the answer, such as Retry-After or Allow.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message.encode(errors="replace").decode())  # halves of surrogate pairs
        self.status = status
        self.headers = headers or {}


def busy(message: str, seconds: int = 1) -> RequestError:
    """503: the same request may succeed in `seconds`."""
    return RequestError(503, message, {"Retry-After": str(seconds)})


def as_request_error(error: Exception, signature: str) -> RequestError:
    """What a client is told of `error`, which the call of `signature` raised."""
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if status == 500:
        logging.error("Signature %s failed.", signature, exc_info=error)
        return RequestError(500, f"Signature {signature!r} failed; see the log of the server.")
    return RequestError(status, f"Signature {signature!r} refused its inputs: {reason(error)}")


def reason(error: Exception) -> str:
    """The message of `error` without nodes of the graph and paths of the machine."""
    text = str(getattr(error, "message", error))
    text = text.split(_ASSERTION, 1)[-1]
    text = _PATH.sub("...", _GRAPH.sub("", text)).replace("[", "").replace("]", "")
    return text.strip()[:_LONGEST] or "no reason is known"
