"""Text files that list things: a line each, or as JSON."""

import codecs
import json
from typing import Any, NamedTuple

import tensorflow as tf

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError


class Line(NamedTuple):
    """A line that is not blank, with its number from 1 on, and without the space around it."""

    number: int
    text: str


def lines(file: str) -> list[Line]:
    """The lines of a file in UTF-8 (or UTF-16 with a mark), whatever ends them.

    Raises:
        DatasetError: if there is no such file, nothing in it, or another encoding.
    """
    text = _text(file).replace("\r\n", "\n").replace("\r", "\n")
    found = [Line(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    found = [line for line in found if line.text]
    if not found:
        raise DatasetError(f"{file} is empty.")
    return found


def parsed(file: str) -> list[Any] | dict[str, Any] | None:
    """What a file that begins with [ or { has as JSON; None for another one.

    Raises:
        DatasetError: if it is no JSON though it begins so, or see `lines`.
    """
    if not lines(file)[0].text.startswith(("[", "{")):
        return None
    try:
        value: list[Any] | dict[str, Any] = json.loads(_text(file))
    except ValueError as error:
        raise DatasetError(f"{file} is no JSON list of class names: {error}.") from error
    if not value:
        raise DatasetError(f"{file} is empty.")
    return value


def _text(file: str) -> str:
    if not files.exists(file) or tf.io.gfile.isdir(file):
        raise DatasetError(f"There is no file {file}; correct its path.")
    raw = files.read(file)
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{file}, line {number} is not UTF-8; save the file as that.") from error
