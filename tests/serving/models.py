"""Small SavedModels with a model card, and a server for them in this process."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
import uvicorn
from starlette.types import ASGIApp

from clipbench_tf.export import card
from clipbench_tf.serving import server
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.served_model import ServedModel

BAD = b"bad"  # a text that `texts` fails at


def half_plus_three(folder: Path) -> Path:
    """TensorFlow Serving's example: x, float [None] -> y = x / 2 + 3."""

    def serving_default(x):
        return {"y": x / 2 + 3}

    return _saved(folder, serving_default=(serving_default, {"x": ([None], tf.float32)}))


def three_inputs(folder: Path) -> Path:
    """The inputs of its documentation, by rows or by columns."""

    def serving_default(tag, signal, sensor):
        sums = tf.stack([tf.reduce_sum(signal, 1), tf.reduce_sum(sensor, [1, 2])], axis=1)
        return {"tag": tag, "tag_bytes": tf.identity(tag), "sums": sums, "large": sums[:, 0] > 9}

    inputs = {
        "tag": ([None], tf.string),
        "signal": ([None, 5], tf.int64),
        "sensor": ([None, 2, 2], tf.int64),
    }
    return _saved(folder, serving_default=(serving_default, inputs))


def texts(folder: Path) -> Path:
    """Signatures with the input `text`, which is joined.

    - serving_default: its length `times` (default 2) and the rows of the batch that it was in.
    - picky: fails for a batch that holds `BAD`.
    - total: the sum over the batch, which has no rows.
    - picture: the bytes of `image`.
    """

    def serving_default(text, times=tf.constant(2)):  # noqa: B008
        rows = tf.fill(tf.shape(text), tf.size(text))
        return {"length": tf.strings.length(text) * times, "rows": rows}

    def picky(text):
        check = tf.debugging.Assert(
            tf.reduce_all(text != BAD), ["This text is refused, in /srv/models/secret.py:"], 1
        )
        with tf.control_dependencies([check]):
            return {"length": tf.strings.length(text)}

    def total(text):
        return {"total": tf.reduce_sum(tf.strings.length(text))}

    def picture(image):
        return {"length": tf.strings.length(image)}

    text = {"text": ([None], tf.string)}
    return _saved(
        folder,
        serving_default=(serving_default, text | {"times": ([], tf.int32)}),
        picky=(picky, text),
        total=(total, text),
        picture=(picture, {"image": ([None], tf.string)}),
    )


def loaded(folder: Path, limits: Limits | None = None, **names) -> ServedModel:
    served = ServedModel(folder, limits=limits, **names)
    served.load()
    return served


@contextlib.contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Serves `app` from a thread; yields its address."""
    listening = server.listen("127.0.0.1", 0)
    config = uvicorn.Config(app, lifespan="off", log_level="error")
    one = uvicorn.Server(config)
    thread = threading.Thread(target=one.run, kwargs={"sockets": [listening]})
    thread.start()
    while not one.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield server.url(listening)
    finally:
        one.should_exit = True
        thread.join()


def _saved(folder: Path, **signatures) -> Path:
    functions = {}
    for name, (function, inputs) in signatures.items():
        specs = [tf.TensorSpec(shape, dtype, key) for key, (shape, dtype) in inputs.items()]
        functions[name] = tf.function(function, input_signature=specs)
    tf.saved_model.save(tf.Module(), str(folder), functions)
    card.write({"needs": [], "method": "test"}, folder)
    return folder
