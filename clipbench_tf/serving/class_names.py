"""Class names and prompts in a request for `classify`, cleaned as evaluation cleans them."""

import asyncio
import dataclasses
from collections.abc import Sequence

import numpy as np

from clipbench_tf.data.text.cleaning import clean
from clipbench_tf.evaluation.classifier import ClassNameError, clean_names
from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.signatures import Arrays

SIGNATURE = "classify"
_NAMES, _TEMPLATES, _ANSWERS = "classes", "templates", "classes"
_LARGE = 1 << 14  # bytes that are cleaned in a thread, so that others are heard


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """The inputs of a request, cleaned.

    Attributes:
        inputs: by name.
        given: class names as they were given, string [B, C] or [1, C].
    """

    inputs: Arrays
    given: np.ndarray

    def answered(self, outputs: Arrays) -> Arrays:
        """`outputs`, string [B, K] `classes` among them, with the names as they were given."""
        cleaned = self.inputs[_NAMES]
        if not (cleaned != self.given).any():
            return outputs
        rows = []
        for number, found in enumerate(outputs[_ANSWERS]):
            own = number if len(cleaned) > 1 else 0
            names: dict[bytes, list[bytes]] = {b"": [b""] * len(found)}  # "" where none is shown
            for before, after in zip(self.given[own], cleaned[own], strict=True):
                names.setdefault(after, []).append(before)
            rows.append([names[name].pop(0) for name in found])
        answers = np.array(rows, object).reshape(outputs[_ANSWERS].shape)
        return outputs | {_ANSWERS: answers}


async def cleaned(inputs: Arrays, limits: Limits) -> Cleaned:
    """The `inputs` of a request for `classify`, cleaned.

    Raises:
        RequestError: 400 for a class without a name, 413 for more prompts than `limits` allow.
    """
    _check(inputs, limits)
    if sum(len(text) for name in (_NAMES, _TEMPLATES) for text in inputs[name].flat) > _LARGE:
        return await asyncio.to_thread(_cleaned, inputs)
    return _cleaned(inputs)


def _check(inputs: Arrays, limits: Limits) -> None:
    """Counts what is encoded: each name once for each list of templates that it stands in."""
    names, templates = inputs[_NAMES], inputs[_TEMPLATES]
    lists = set(map(tuple, templates.reshape(-1, templates.shape[-1]))) if templates.ndim else {()}
    different, prompts = len(set(names.flat)), sum(map(len, lists))
    if different * prompts > limits.prompts:
        raise RequestError(
            413,
            f"Inputs {_NAMES!r} and {_TEMPLATES!r} have {different} different names in {prompts} "
            f"templates, {different * prompts} prompts, more than {limits.prompts}; send fewer.",
        )


def _cleaned(inputs: Arrays) -> Cleaned:
    given, templates = inputs[_NAMES], inputs[_TEMPLATES]
    try:
        rows = [_encoded(row, clean_names(_decoded(row))) for row in given]
    except ClassNameError as error:
        raise RequestError(400, f"Input {_NAMES!r}: {error}") from None
    flat = templates.ravel()
    prompts = _encoded(flat, [clean(text) for text in _decoded(flat)])
    changed = {
        _NAMES: np.array(rows, object).reshape(given.shape),
        _TEMPLATES: np.array(prompts, object).reshape(templates.shape),
    }
    return Cleaned(inputs | changed, given)


def _decoded(texts: np.ndarray) -> list[str]:
    return [text.decode(errors="replace") for text in texts]


def _encoded(given: np.ndarray, cleaned: Sequence[str]) -> list[bytes]:
    """`cleaned` as bytes, or what was `given` where that was no text."""
    pairs = zip(given, cleaned, strict=True)
    return [after.encode() if _is_text(before) else before for before, after in pairs]


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
