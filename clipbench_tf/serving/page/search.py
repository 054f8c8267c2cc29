"""Searches pictures by a caption: an index made once and kept on disk, and the model's own scorer.

The index holds the scorer's tensors of each picture. The cosine of embeddings is one product of
matrices. A model with late interaction (FILIP) is asked by late interaction too, sim^T of equation
4, over all patches of all pictures: its pooled embedding was never trained. The tokens of patches
are kept in 16 bits, which changes a cosine by less than 0.001.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from clipbench_tf.data.text.cleaning import clean
from clipbench_tf.evaluation.classifier_cache import model_checksum
from clipbench_tf.export.card import ExportError
from clipbench_tf.serving.errors import RequestError, busy
from clipbench_tf.serving.page.searchable import Searchable, shown_name
from clipbench_tf.serving.served_model import ServedModel
from clipbench_tf.serving.signatures import Arrays

FORMAT = 1  # of the index; another number makes it anew
LIMIT = 50_000  # pictures; of more, as many are searched, at equal distances
MEMORY = 2**31  # bytes of an index; the pictures of a FILIP model take 25 kB each
TOGETHER = 32  # pictures that are encoded in one call
_SCORED = 2**26  # bytes of patches' cosines that are held at a time
_BUSY, _TOO_LARGE = 503, 413  # of HTTP
_PAUSE = 0.5  # seconds before a model that is busy is asked again
_KEY, _PLACES = "key", "places"


@dataclasses.dataclass(frozen=True)
class Found:
    """A picture that was found: its place, its similarity to the caption, and what to call it."""

    picture: int
    score: float
    name: str


class Search:
    """The pictures of a folder or data set, by similarity to a caption.

    The index lies beside the model, in `<model>.search-<checksum of the source's name>.npz`. It is
    made again when the model or the pictures change. Where it cannot be written, a warning is
    logged, and it lives as long as the process.

    Args:
        served: the model.
        pictures: to be searched.
        limit: how many pictures are searched at most.

    Raises:
        ExportError: for a model of one tower alone.
    """

    def __init__(self, served: ServedModel, pictures: Searchable, *, limit: int = LIMIT) -> None:
        if missing := sorted({"represent_image", "represent_classes"} - set(served.signatures)):
            raise ExportError(
                f"The export has no signature {missing[0]!r}, so that it cannot search pictures; "
                f"export both towers."
            )
        self.pictures, self.limit = pictures, limit
        self._served, self._model = served, served.folder.resolve()
        digest = hashlib.sha256(os.path.abspath(pictures.source).encode()).hexdigest()[:12]
        self.path = self._model.with_name(f"{self._model.name}.search-{digest}.npz")
        self._index: Arrays | None = None
        self._task: asyncio.Task | None = None
        self.done, self.planned = 0, min(limit, pictures.total)
        self.problem = ""  # of the last attempt to make the index, without paths

    @property
    def ready(self) -> bool:
        """Whether there is an index."""
        return self._index is not None

    def start(self) -> None:
        """Begins to read or make the index, unless that is under way; call it in an event loop.

        An attempt that failed has left its `problem`; another one begins.
        """
        if self.ready or (self._task and not self._task.done()):
            return
        self._task = asyncio.create_task(self._attempt())

    async def nearest(self, caption: str, count: int) -> list[Found]:
        """The `count` pictures most similar to `caption`, best first.

        The caption is cleaned as those of data sets are, and is the whole prompt.

        Raises:
            RequestError: 503 while the index is made, and as `ServedModel.predict`.
            ValueError: for a caption without a word, or a count below 1.
        """
        caption = clean(caption)
        if not caption or count < 1:
            raise ValueError("Type a caption, and ask for one picture or more.")
        self.start()
        if self._index is None:
            raise busy(
                self.problem
                or f"The index is being made: {self.done} of {self.planned} pictures are encoded."
            )
        prompts = np.array([[caption.encode()]], object)
        words = await self._served.predict("represent_classes", {"prompts": prompts})
        return await asyncio.to_thread(self._nearest, self._index, words, count)

    def _nearest(self, index: Arrays, words: Arrays, count: int) -> list[Found]:
        scores = similarities(index, words)
        best = np.argsort(-scores, kind="stable")[:count]
        places = index[_PLACES][best].tolist()
        pairs = self.pictures.read(places)
        return [
            Found(place, float(scores[row]), shown_name(pair))
            for place, row, pair in zip(places, best, pairs, strict=True)
        ]

    async def _attempt(self) -> None:
        try:
            await self._prepare()
            self.problem = ""
        except Exception:  # shown on the page, which asks again
            logging.exception("The index of %s cannot be made.", self.pictures.source)
            self.problem = "The index cannot be made; the log of the server says why."

    async def _prepare(self) -> None:
        key = await asyncio.to_thread(self._checksum)
        found = await asyncio.to_thread(_read, self.path, key)
        if found is None:
            found = await self._made()
            await asyncio.to_thread(_write, self.path, key, found)
        self.planned = self.done = len(found[_PLACES])
        self._index = found

    def _checksum(self) -> str:
        facts = [FORMAT, model_checksum(self._model), self.pictures.checksum(), self.limit]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    async def _made(self) -> Arrays:
        """Encodes the pictures; those that cannot be read or decoded are left out."""
        first = await self._encoded(self.pictures.places(1))
        size = max(sum(a.nbytes for a in first.values()), 1)  # of one picture
        places = self.pictures.places(min(self.limit, max(1, MEMORY // size)))
        self.planned, chunks = len(places), []
        for start in range(0, len(places), TOGETHER):
            chunks.append(await self._encoded(places[start : start + TOGETHER]))
            self.done = min(start + TOGETHER, len(places))
        return {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]}

    async def _encoded(self, places: np.ndarray) -> Arrays:
        pairs = await asyncio.to_thread(self.pictures.read, places.tolist())
        parts = await self._represented([pair.image for pair in pairs])
        valid = np.concatenate([part["valid"] for part in parts])
        kept = {
            name: np.concatenate([part[name][part["valid"]] for part in parts])
            for name in parts[0]
            if name != "valid"
        }
        halved = {n: v.astype(np.float16 if n == "tokens" else np.float32) for n, v in kept.items()}
        return {_PLACES: places[valid], **halved}

    async def _represented(self, pictures: list[bytes]) -> list[Arrays]:
        """Outputs of `represent_image` for all rows, in parts; waits while the model is busy."""
        image = np.array(pictures, object)
        while True:
            try:
                return [await self._served.predict("represent_image", {"image": image})]
            except RequestError as error:
                if error.status == _TOO_LARGE:
                    break
                if error.status != _BUSY:
                    raise
                await asyncio.sleep(_PAUSE)
        if len(pictures) == 1:  # too large for this server: it counts as one that is not valid
            return await self._represented([b""])
        return [part for one in pictures for part in await self._represented([one])]


def similarities(index: Arrays, words: Arrays) -> np.ndarray:
    """The similarity of one caption to N pictures by the model's scorer, float32 [N].

    Args:
        index: {"embedding": [N, E]}, or {"tokens": [N, P, D]}.
        words: {"embedding": [1, E]}, or {"tokens": [1, 1, L, D], "mask": bool [1, 1, L]}.
    """
    if "embedding" in index:
        return index["embedding"] @ words["embedding"][0]
    tokens, pieces = index["tokens"], words["tokens"][words["mask"]]
    scores = np.zeros(len(tokens), np.float32)
    if not len(pieces):
        return scores
    rows = max(1, _SCORED // (4 * tokens.shape[1] * (len(pieces) + tokens.shape[2])))
    for start in range(0, len(tokens), rows):
        part = tokens[start : start + rows].astype(np.float32)
        scores[start : start + rows] = (part @ pieces.T).max(axis=1).mean(axis=1)
    return scores


def _read(path: Path, key: str) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as content:
            if content[_KEY].item() != key:
                return None
            return {name: content[name] for name in content.files if name != _KEY}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, key: str, arrays: Arrays) -> None:
    partial = path.with_suffix(".partial")
    named: dict[str, Any] = {_KEY: np.array(key), **arrays}
    try:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **named)
        os.replace(partial, path)
    except OSError as error:
        logging.warning("Cannot keep the index of the search in %s: %s.", path, error.strerror)
        with contextlib.suppress(OSError):
            partial.unlink()
