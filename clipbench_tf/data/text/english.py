"""The words of a caption, and which of them are English.

A word is a run of characters between whitespace, in lower case, without the punctuation around it;
a run without letters and digits ("-", an emoji) is none. Text in a script without spaces counts as
one word a run. The same words are counted everywhere: for lengths, ratios and vocabularies.
"""

import functools
import gzip
import re
import unicodedata
from collections.abc import Iterable
from importlib import resources

WORDS_FILE = "english_words.txt.gz"
# Word lists hold every letter, and many two-letter abbreviations ("de", "la", "un") that are words
# of other languages. Of words so short, these are English; among them common units and titles.
_SHORT = """
a i o ad ah am an as at ax be by do ex go ha he hi ho if in is it ma me my no of oh ok on or ox pa
pi so to uh up us we ye yo cd cm dr ft jr kg km lb mm mr ms mt oz pc pm st tv uk vs
"""
_SEPARATORS = re.compile(r"[^\w']+|_+")  # inside a compound: hyphens, slashes, full stops
_NUMBER = re.compile(r"(?:\d++(?:st|nd|rd|th|'?s)?+[\W_]*+)++")  # 2012, 10:30, 19th, 1960s, 24/7


def words(caption: str) -> list[str]:
    """The words of `caption`, in order."""
    runs = caption.lower().replace("\u2019", "'").split()
    return [word for run in runs if (word := _without_punctuation(run))]


def is_english(word: str) -> bool:
    """Whether `word`, as `words` yields it, is in the list, by itself or as a compound.

    The list holds American and British spellings, inflected forms, and common names of people and
    places. A possessive ("dog's") is English if its noun is, and a compound ("black-and-white",
    "and/or", "mid-1960s") if all its parts are, apart from numbers. A number alone is not.
    """
    known = english_words()
    return word in known or (not word.isalpha() and _is_compound(word, known))


def is_number(word: str) -> bool:
    """Whether `word` is a number in digits, such as 2012, 10:30, 19th or 1960s; has no language."""
    return bool(_NUMBER.fullmatch(word)) or not any(map(str.isalpha, word))


def count(found: Iterable[str]) -> tuple[int, int]:
    """How many of the words `found` are English, and how many are no numbers."""
    english = spelt = 0
    for word in found:
        if is_english(word):
            english += 1
            spelt += 1
        elif not is_number(word):
            spelt += 1
    return english, spelt


def ratio(english: int, spelt: int) -> float:
    """The English-word ratio of one caption, 0 to 1, from `count`; 0 where it has no words."""
    return english / spelt if spelt else 0.0


@functools.cache
def english_words() -> frozenset[str]:
    """The list that ships with the package, of SCOWL (`scripts/build/english_words.py`)."""
    packed = (resources.files(__package__) / WORDS_FILE).read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))


def word_list(lines: Iterable[str]) -> list[str]:
    """The words in `lines`, one a line, as `english_words` has them: lower case, sorted, each once.

    Left out are possessives, and words of one or two letters apart from common ones.
    """
    forms = {line.strip().lower().replace("\u2019", "'").removesuffix("'s") for line in lines}
    short = set(_SHORT.split())
    return sorted(form for form in forms if len(form) > 2 or form in short)


def _without_punctuation(run: str) -> str:
    first, last = 0, len(run)
    while first < last and not run[first].isalnum():
        first += 1
    while last > first and not (run[last - 1].isalnum() or _is_mark(run[last - 1])):
        last -= 1
    return run[first:last]


def _is_mark(character: str) -> bool:
    """Whether it belongs to the letter before it, as vowel signs of Hindi or Thai do."""
    return unicodedata.category(character).startswith("M")


def _is_compound(word: str, known: frozenset[str]) -> bool:
    parts = [part.strip("'").removesuffix("'s") for part in _SEPARATORS.split(word)]
    spelt = [part for part in parts if part and not _NUMBER.fullmatch(part)]
    return bool(spelt) and all(part in known for part in spelt)
