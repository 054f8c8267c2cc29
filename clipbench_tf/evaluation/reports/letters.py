"""Text in the letters that Pillow's built-in font can draw."""

import unicodedata


def plain(text: str) -> str:
    """`text` in ASCII, without accents; "?" for what has no such letter."""
    letters = [c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)]
    return "".join(letters).encode("ascii", "replace").decode()
