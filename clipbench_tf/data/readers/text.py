"""Text as files have it, in whatever encoding."""

import codecs


def decoded(raw: bytes) -> str:
    """`raw` as text: UTF-8, UTF-16 where a byte-order mark says so, else Windows-1252.

    The mark is dropped. Bytes that mean nothing in the encoding become U+FFFD; nothing is refused.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
