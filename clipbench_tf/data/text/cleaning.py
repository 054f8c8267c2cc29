"""The cleaning of captions, done once, when data is prepared, and of prompts."""

import html
import re

import ftfy

# The tags that Flickr allows in a description, and those that other sites add.
_TAG = re.compile(
    r"</?(?:a|b|i|u|s|em|strong|ins|del|blockquote|img|br|p|span|div|font)"
    r"(?:\s+[\w-]+\s*=[^<>]*)?\s*/?>",
    re.IGNORECASE,
)
# Possessive quantifiers (++) and the look behind keep the time linear in the caption's length.
_ADDRESS = re.compile(
    r"(?:(?:https?|ftp)://|\bwww\.)[^\s<>\"')\]]+|(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]+",
    re.IGNORECASE,
)
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")


def clean(text: str) -> str:
    """Repairs broken Unicode, resolves HTML entities (twice) and collapses whitespace.

    As `basic_clean` and `whitespace_clean` of github.com/openai/CLIP `simple_tokenizer.py`.
    Preparation cleans captions so, and evaluation its prompts; the tokenizer takes text as it is.

    NUL and other control characters are removed, and a lone surrogate, which no file can hold,
    becomes U+FFFD. Marks of writing direction and emoji are kept, and so is `<|endoftext|>`, which
    is text. Takes time in proportion to the length: 100,000 characters take 2 to 25 ms, and 0.5 s
    where every line is broken Unicode.
    """
    if text.isascii() and text.isprintable() and "&" not in text:
        return " ".join(text.split())  # nothing to repair, as in nearly all names and prompts
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())


def without_tags(text: str) -> str:
    """Puts a space in place of each HTML tag (`<a href="...">`, `</b>`, `<br>`); keeps `1 < 2`."""
    return _TAG.sub(" ", text)


def without_urls(text: str) -> str:
    """Removes URLs (`http://...`, `https://...`, `ftp://...`, `www....`) and e-mail addresses.

    Brackets that held nothing else go with them. A bare host name ("flickr.com") is kept, as a full
    stop without a space after it looks the same. The space around an address remains.
    """
    return _EMPTY_BRACKETS.sub("", _ADDRESS.sub("", text))


def clean_caption(text: str) -> str:
    """The caption as prepared data holds it: `clean`, without tags and addresses."""
    return " ".join(without_urls(without_tags(clean(text))).split())
