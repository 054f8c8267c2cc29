"""Which words of a caption answer to which patches of a picture, by an export's `align`."""

import math
from typing import Any

import numpy as np

from clipbench_tf.data.images.decoding import FORMATS
from clipbench_tf.data.text.cleaning import clean
from clipbench_tf.evaluation.alignment import cosines_of_words, words_in
from clipbench_tf.serving.served_model import ServedModel

SIGNATURE = "align"


async def aligned(served: ServedModel, picture: bytes, caption: str) -> dict[str, Any]:
    """Asks a model that aligns (`SIGNATURE` is among its signatures).

    Returns:
        "side", patches in a row and rows; "words", the W words of the caption; "cosines", of each
        word a list of side * side cosines, row by row.

    Raises:
        RequestError: as `ServedModel.predict`.
        ValueError: for bytes that are no picture, or a caption without a word.
    """
    inputs = {
        "image": np.array([picture], object),
        "text": np.array([clean(caption).encode()], object),
    }
    outputs = await served.predict(SIGNATURE, inputs)
    if not outputs["valid"][0]:
        raise ValueError(f"This file is no picture that can be decoded; {FORMATS} is expected.")
    spelling = [text.decode() for text in outputs["spelling"][0].tolist()]
    places = [n for n, text in enumerate(spelling) if text]
    words, owners = words_in([spelling[n] for n in places])
    if not words:
        raise ValueError("The caption has no word that the model knows; type one.")
    cosines = cosines_of_words(outputs["cosines"][0][:, places], owners, len(words))
    rounded = np.round(cosines.T.astype(np.float64), 4).tolist()
    return {"side": math.isqrt(len(cosines)), "words": list(words), "cosines": rounded}
