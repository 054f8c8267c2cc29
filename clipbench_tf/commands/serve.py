"""Serves an export over HTTP, in TensorFlow Serving's REST form, and with a page for a browser:

clipbench-serve --saved_model=runs/clip/saved_model --search=photos

Prints the address; SIGTERM or Ctrl-C ends it when the requests in flight are answered. Endpoints:
/ for the page, /v1/models/<name> and below, /healthz, /metrics. What differs from TensorFlow
Serving stands in docs/serving.md.
"""

import sys
from pathlib import Path

from absl import flags, logging

from clipbench_tf import tensorflow_log
from clipbench_tf.commands.shared import command_line
from clipbench_tf.export import card

_MODEL = flags.DEFINE_string(
    "saved_model", None, "Folder of an export, or of a run that has one.", required=True
)
_NAME = flags.DEFINE_string("name", None, "Of the model in URLs. Default: that of its folder.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address; 0.0.0.0 lets other machines ask too.")
_PORT = flags.DEFINE_integer("port", 8501, "Of the address; 0 for a free one.", 0, 65535)
_SEARCH = flags.DEFINE_string(
    "search",
    None,
    "Folder of pictures, or a data set such as emoji, that the page finds pictures in by a "
    "caption. Their index is made once, and kept beside the model.",
)
_BATCH = flags.DEFINE_integer(
    "batch_rows", 64, "Rows of requests joined to one call of the model; 1 joins none.", 1
)
_WAIT = flags.DEFINE_float(
    "batch_wait_ms", 2.0, "Milliseconds that a request waits at most for others to join it.", 0.0
)
_THREADS = flags.DEFINE_integer("threads", 2, "Calls of the model at once.", 1)
_QUEUE = flags.DEFINE_integer("queue", 256, "Requests that wait for the model at most.", 1)
_ROWS = flags.DEFINE_integer("rows", 1024, "Pictures or texts of a request at most.", 1)
_PROMPTS = flags.DEFINE_integer(
    "prompts", 10_000, "Class names times templates of a request at most.", 1
)
_BODY = flags.DEFINE_integer("body_mib", 32, "MiB of a request's body at most.", 1)
_PICTURE = flags.DEFINE_integer("picture_mib", 16, "MiB of an encoded picture at most.", 1)
_PIXELS = flags.DEFINE_integer(
    "picture_megapixels", 64, "Million pixels of a picture at most, by its header.", 1
)
_SECONDS = flags.DEFINE_float("seconds", 60.0, "From a request to its answer at most.", 0.001)


def main(argv: list[str]) -> None:
    """Serves as the flags say; one line and exit status 1 for what cannot be done."""
    if len(argv) > 1:
        sys.exit(f"Error: {argv[1]!r} is no flag; see --help.")
    logging.set_verbosity(logging.WARNING)
    folder = Path(_MODEL.value)
    folder = folder / "saved_model" if card.is_export(folder / "saved_model") else folder
    try:
        card.read(folder)
        with tensorflow_log.suppressed():
            from clipbench_tf.serving import limits, server
            from clipbench_tf.serving.application import application
            from clipbench_tf.serving.page.routes import routes
            from clipbench_tf.serving.page.search import Search
            from clipbench_tf.serving.page.searchable import Searchable
            from clipbench_tf.serving.served_model import ServedModel

        allowed = limits.Limits(
            body_bytes=_BODY.value * limits.MEBIBYTE,
            held_bytes=max(16 * _BODY.value, 512) * limits.MEBIBYTE,
            picture_bytes=_PICTURE.value * limits.MEBIBYTE,
            picture_pixels=_PIXELS.value * limits.MEGAPIXEL,
            rows=_ROWS.value,
            prompts=_PROMPTS.value,
            queue=_QUEUE.value,
            seconds=_SECONDS.value,
            batch_rows=_BATCH.value,
            batch_wait=_WAIT.value / 1000,
            threads=_THREADS.value,
        )
        pictures = Searchable(_SEARCH.value) if _SEARCH.value else None
        listening = server.listen(_HOST.value, _PORT.value)
        served = ServedModel(folder, name=_NAME.value, limits=allowed)
        search = Search(served, pictures) if pictures else None
        page = server.url(listening)
        address = f"{page}/v1/models/{served.name}"
        print(f"Loading {served.name} for {address} ...", flush=True)
        server.serve(
            application(
                served,
                limits=allowed,
                routes=routes(served, search=search),
                local=server.is_local(listening),
            ),
            served,
            listening,
            limits=allowed,
            ready=lambda: print(f"Ready: {address}; the page: {page}/", flush=True),
        )
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")


def run() -> None:
    """Starts the command."""
    command_line.run(main)
