"""A SavedModel that answers requests: checks them, joins them to batches, and calls it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from clipbench_tf.export import card, warmup
from clipbench_tf.export.saved_encoders import SavedEncoders
from clipbench_tf.serving import class_names, signatures
from clipbench_tf.serving.batch_queue import BatchQueue, Waiting
from clipbench_tf.serving.errors import RequestError, as_request_error, busy
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.signatures import Arrays, Signature

State = Literal["loading", "ready", "draining", "failed"]
_LARGE = 1 << 18  # bytes of pictures that are checked in a thread, so that others are heard


class ServedModel:
    """The export in `folder`. What it is, is known at once; it answers after `load`.

    Args:
        folder: of a SavedModel of clipbench_tf.
        name: in URLs; by default that of the folder, or of the one above `saved_model` or a number.
        version: in URLs; by default the folder's name if that is a number, else 1.
        limits: see `Limits`.

    Raises:
        ExportError: if `folder` holds no SavedModel of clipbench_tf, or a damaged one.

    Attributes:
        name, version: as in URLs.
        card: the model card.
        signatures: by name: inputs and outputs with type, shape and default.
        stored: the signatures as the SavedModel stores them, for `/metadata`.
        limits: as given.
        ran: is told the signature and the rows of each call of the model; for metrics.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        version: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.card = card.read(self.folder)
        self.signatures, self.stored = signatures.read(self.folder)
        known_name, known_version = _named(self.folder.absolute())
        self.name, self.version = name or known_name, version or known_version
        self.limits = limits or Limits()
        self.ran: Callable[[str, int], None] = lambda signature, rows: None
        self._state: State = "loading"
        self._lock = threading.Lock()
        self._functions: Mapping[str, Callable] = {}
        self._model: SavedEncoders | None = None
        self._queue: BatchQueue | None = None

    @property
    def state(self) -> State:
        """Of the model: only a ready one answers."""
        return self._state

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return 0 if self._queue is None else len(self._queue)

    def load(self) -> None:
        """Loads the model, and calls it with its warm-up requests; then it is ready.

        Raises:
            ExportError: if the SavedModel cannot be loaded.
        """
        try:
            self._model = SavedEncoders(self.folder)
            self._functions = self._model.functions
            for signature, inputs in self._first_requests():
                try:
                    self._run(signature, self.signatures[signature].checked(inputs))
                except RequestError as error:
                    logging.warning("A warm-up request of %s failed: %s", signature, error)
        except BaseException:
            self._state = "failed"
            raise
        with self._lock:
            if self._state == "loading":
                self._queue = BatchQueue(self._run, self.limits, self._note)
                self._state = "ready"

    def close(self) -> None:
        """Answers the requests that wait, and refuses others."""
        with self._lock:
            self._state, queue = "draining", self._queue
        if queue is not None:
            queue.close()

    async def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Calls a signature, together with other requests for it.

        Args:
            signature: its name.
            inputs: by name; strings as arrays of bytes objects. Those with a default may be absent.

        Returns:
            The outputs by name, strings as arrays of bytes objects.

        Raises:
            RequestError: for a request that is refused, with the status of HTTP that says why.
        """
        one = self.signature(signature)
        checked = one.checked(inputs)
        await self._check_size(one, checked)
        if signature == class_names.SIGNATURE:
            names = await class_names.cleaned(checked, self.limits)
            return names.answered(await self._answer(one, names.inputs))
        return await self._answer(one, checked)

    async def _answer(self, one: Signature, checked: Arrays) -> Arrays:
        queue = self._queue
        if queue is None:
            raise busy(f"The model is {self._state}; try again later.", seconds=5)
        shared = one.shared(checked)
        rows = len(checked[one.joined]) if one.joined else 1
        if shared is None:
            request = Waiting(one.name, checked, None, None, rows)
        else:
            request = Waiting(one.name, shared, one.joined, _together(one, shared), rows)
        return await queue.put(request)

    def signature(self, name: str) -> Signature:
        """The signature called `name`.

        Raises:
            RequestError: 400, as in TensorFlow Serving, if there is none.
        """
        if name not in self.signatures:
            raise RequestError(
                400,
                f'Serving signature name: "{name}" not found in signature def; choose one of '
                f"{', '.join(self.signatures)}.",
            )
        return self.signatures[name]

    async def _check_size(self, signature: Signature, inputs: Arrays) -> None:
        if signature.joined and len(inputs[signature.joined]) > self.limits.rows:
            raise RequestError(
                413,
                f"Input {signature.joined!r} has {len(inputs[signature.joined])} rows, more than "
                f"{self.limits.rows}; send several requests.",
            )
        prompts = inputs.get(signatures.PROMPTS)
        if prompts is not None and prompts.size > self.limits.prompts:
            raise RequestError(
                413,
                f"Input {signatures.PROMPTS!r} has {prompts.size} prompts, more than "
                f"{self.limits.prompts}; send several requests.",
            )
        pictures = inputs.get(signatures.PICTURES)
        if pictures is None or pictures.dtype != object:
            return
        encoded = pictures.ravel().tolist()
        check = self.limits.check_pictures
        if sum(map(len, encoded)) > _LARGE:
            await asyncio.to_thread(check, signatures.PICTURES, encoded)
        else:
            check(signatures.PICTURES, encoded)

    def _first_requests(self) -> Iterator[tuple[str, Arrays]]:
        if (self.folder / warmup.FILE).is_file():
            return warmup.read(self.folder)
        return signatures.first_requests(self.signatures)

    def _run(self, signature: str, inputs: Arrays) -> Arrays:
        wanted = self.signatures[signature].inputs
        tensors = {name: tf.constant(value, wanted[name].dtype) for name, value in inputs.items()}
        try:
            outputs = self._functions[signature](**tensors)
        except Exception as error:
            raise as_request_error(error, signature) from error
        return {name: value.numpy() for name, value in outputs.items()}

    def _note(self, signature: str, rows: int) -> None:
        self.ran(signature, rows)


def _named(folder: Path) -> tuple[str, int]:
    """The name and the version that the folder of a SavedModel has by its place."""
    version = int(folder.name) if folder.name.isdecimal() else 1
    inner = folder.name.isdecimal() or folder.name == "saved_model"
    name = (folder.parent if inner else folder).name or "model"
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name), version


def _together(signature: Signature, inputs: Arrays) -> Hashable:
    """Equal for requests that may be joined, of what their `signature` shares."""
    assert signature.joined is not None
    rest = [
        (name, value.shape, tuple(value.ravel()) if value.dtype == object else value.tobytes())
        for name, value in inputs.items()
        if name != signature.joined
    ]
    return signature.name, inputs[signature.joined].shape[1:], tuple(rest)
