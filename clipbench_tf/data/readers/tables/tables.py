"""Tables of pictures and captions: CSV, TSV, and JSON lines."""

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Mapping, Sequence

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.options import specification
from clipbench_tf.data.readers.tables import rows
from clipbench_tf.data.readers.tables.columns import Columns, chosen
from clipbench_tf.data.readers.tables.table_reader import TableReader, cell
from clipbench_tf.data.readers.tables.yfcc15m_v1 import open_yfcc15m_v1
from clipbench_tf.data.readers.text import decoded

HEAD = 1 << 20  # bytes from which columns and separator are told
SAMPLE = 100  # rows
SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";"}
OPTIONS = ("image", "caption", "key", "label", "images", "missing")
TO_LINES = (
    "python -c 'import json, sys; [print(json.dumps(row)) for row in json.load(sys.stdin)]' "
    "< {0} > {0}l"
)
# What begins files that are no text, or text whose rows cannot be read at any place.
REFUSED = {
    b"\x1f\x8b": "is compressed, so that rows cannot be read at any place; run gunzip on it",
    b"BZh": "is compressed, so that rows cannot be read at any place; run bunzip2 on it",
    b"PK\x03\x04": "is an archive or a spreadsheet; unpack it, or save it as CSV",
    codecs.BOM_UTF16_LE: "is UTF-16; convert it, as with iconv -f UTF-16 -t UTF-8",
    codecs.BOM_UTF16_BE: "is UTF-16; convert it, as with iconv -f UTF-16 -t UTF-8",
}


def open_table(path: str, options: Mapping[str, str]) -> Dataset:
    """The pairs of a table with a row for each picture, or for each caption of one.

    .json, .jsonl and .ndjson hold a JSON object on each line, as DeCLIP's label file of YFCC15M V2
    does; a list there gives several captions. Other tables have a header with the names of their
    columns, and separators, tabs or commas or semicolons as their first line has it. Columns are
    found by name (see `columns`).

    Args:
        path: of the table.
        options: `image`, `caption`, `key`, `label`: columns by name; several captions as
            `caption=title,description`; by number from 0 on, `image=0&caption=1`, if there is no
            header. `images`: folder of the pictures, by default that of the table. `separator`:
            tab, comma or semicolon. `missing=skip`: pictures are not looked for before training,
            which skips and counts those that are missing.
            `metadata`: see `yfcc15m_v1`.

    Raises:
        DatasetError: if the table cannot be read so, or an option is not known.
    """
    if "metadata" in options:
        return open_yfcc15m_v1(path, options)
    is_json = re.search(r"\.(json|jsonl|ndjson)$", path, re.IGNORECASE) is not None
    _check(path, options, OPTIONS if is_json else (*OPTIONS, "separator"))
    head = _head(path)
    open_rows = _json_lines if is_json else _separated
    kind, columns, header = open_rows(path, head, options)
    _refuse_urls(path, columns, _sample(kind, head)[header:])
    folder = path.rpartition("/")[0] if "/" in path else ""
    images = options.get("images", folder or ("/" if path.startswith("/") else ""))
    missing = options.get("missing", "refuse")
    reader = TableReader(path, kind, columns, images, header=header, missing=missing)
    source = specification(path, options)
    return Dataset(path.rpartition("/")[2], {"all": reader}, source=source)


def _check(path: str, options: Mapping[str, str], known: Sequence[str]) -> None:
    unknown = [name for name in options if name not in known]
    if unknown:
        raise DatasetError(
            f"{path} has no option {unknown[0]!r}; there are {', '.join(known)} and, for OpenAI's "
            f"subset of YFCC100M, metadata."
        )
    for name, values in {"separator": SEPARATORS, "missing": ("refuse", "skip")}.items():
        if name in options and options[name] not in values:
            raise DatasetError(
                f"{path}: {name}={options[name]} is unknown; give {' or '.join(values)}."
            )
    if not files.exists(path):
        raise files.absent([path], path)


def _head(path: str) -> bytes:
    """The first lines of a table."""
    head = files.read(path, 0, HEAD)
    for magic, reason in REFUSED.items():
        if head.startswith(magic):
            raise DatasetError(f"{path} {reason}.")
    if not head.strip():
        raise DatasetError(f"{path} is empty.")
    if b"\n" not in head and b"\r" in head.rstrip():
        raise DatasetError(f"{path} has line breaks of old Macs; convert it: tr '\\r' '\\n'.")
    return head[: head.rfind(b"\n") + 1] or head if len(head) == HEAD else head


def _json_lines(
    path: str, head: bytes, options: Mapping[str, str]
) -> tuple[rows.Rows, Columns, bool]:
    """How to read JSON lines; a name is a column if one of the first `SAMPLE` objects has it."""
    kind = rows.JsonLines()
    names = list(dict.fromkeys(name for cells in _sample(kind, head) for name in map(str, cells)))
    if not names:
        raise DatasetError(
            f"{path} does not hold a JSON object on each line: it begins with "
            f"{decoded(head[:80])!r}. If it is one list of objects, make lines of it: "
            f"{TO_LINES.format(path)}"
        )
    return kind, chosen(names, options, path, numbers=False), False


def _separated(
    path: str, head: bytes, options: Mapping[str, str]
) -> tuple[rows.Rows, Columns, bool]:
    """How to read a table with separators."""
    text = decoded(head)
    line = text.lstrip("\r\n").partition("\n")[0]
    likely = "\t" if "\t" in line else ";" if line.count(";") > line.count(",") else ","
    separator = SEPARATORS[options["separator"]] if "separator" in options else likely
    csv.field_size_limit(max(csv.field_size_limit(), HEAD))
    names = next(filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=separator)))
    columns = chosen(names, options, path)
    header = isinstance(columns.image, str)
    return rows.Separated(separator, len(names)), columns.numbered(names), header


def _sample(kind: rows.Rows, head: bytes) -> list[rows.Cells]:
    """The cells of those of the first lines that can be read on their own."""
    found = []
    for line in head.split(b"\n", SAMPLE)[:SAMPLE]:
        with contextlib.suppress(rows.BadRow):
            found.append(kind.cells(line))
    return found


def _refuse_urls(path: str, columns: Columns, sample: list[rows.Cells]) -> None:
    images = [cell(cells, columns.image) for cells in sample]
    urls = [image for image in images if re.match(r"https?://", image)]
    if len(urls) * 2 > len(images):
        raise DatasetError(
            f"{path}: column {columns.image!r} holds URLs, such as {urls[0]}: download them first, "
            f"with img2dataset, and open the folder that it makes."
        )
