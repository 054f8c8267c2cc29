"""Synonyms from WordNet's files, for the caption operations; used only to build their table."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

# Words that carry grammar rather than content: replacing them breaks a caption.
_STOP_WORDS = """
a an the this that these those some any no each every either neither both all such same own
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his
himself she her hers herself it its itself they them their theirs themselves one ones
who whom whose which what when where why how there here
am is are was were be been being have has had having do does did doing done
can could will would shall should may might must ought let
and or but nor so yet if then than because as until while though although unless whether
of at by for with about against between among into through during before after above below to
from up down in out on off over under again further near onto upon within without along across
behind beside beyond toward towards around
not only too very just now once also more most less least much many few other another
s t d m ll re ve don ain aren couldn didn doesn hadn hasn haven isn ma mightn mustn needn shan
shouldn wasn weren won wouldn
"""
# How an inflected form ends, and its base form: the rules of `man 7 morphy`. Irregular forms
# ("mice") are in lists of their own, which not every edition of WordNet has; they are left out.
_RULES = {
    "noun": "s: ses:s ves:f xes:x zes:z ches:ch shes:sh men:man ies:y",
    "verb": "s: ies:y es:e es: ed:e ed: ing:e ing:",
    "adj": "er: est: er:e est:e",
    "adv": "",
}
_OFFENSIVE = re.compile("offensive|disparag|slur|obscen|vulgar|derogat")


def synonym_table(
    data: Mapping[str, Iterable[str]], common_words: Iterable[str]
) -> dict[str, list[str]]:
    """The synonyms of every common word that has any, sorted, all in lower case.

    As EDA's reference (Wei & Zou 2019) has it, a word's synonyms are the other members of all
    synsets of all its parts of speech, an inflected word ("dogs") having those of its base form.

    Deviates: no synsets whose definition calls them offensive or vulgar, and no members that are
    spelt with digits or dots.

    Args:
      data: the lines of data.noun, data.verb, data.adj and data.adv, by "noun", ....
      common_words: the words to look up; stop words among them are left out.
    """
    members = {part: _members_by_word(lines) for part, lines in data.items()}
    table = {}
    for word in sorted(set(common_words) - set(_STOP_WORDS.split())):
        found = {
            member
            for part, by_word in members.items()
            for form in _base_forms(word, _RULES[part])
            for member in by_word.get(form, ())
        }
        found.discard(word)
        if found:
            table[word] = sorted(found)
    return table


def _members_by_word(lines: Iterable[str]) -> dict[str, set[str]]:
    """Every single word of one part of speech, with the members of its synsets.

    A line is "offset file type count word id word id ... | definition" (`man 5 wndb`).
    """
    by_word: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if line.startswith("  ") or _OFFENSIVE.search(line.partition("|")[2]):
            continue  # the licence at the head of each file, or an offensive synset
        fields = line.split(" ")
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        names = {re.sub(r"\(\w+\)$|_|-", " ", word.lower()).strip() for word in words}
        names = {name for name in names if re.fullmatch("[a-z' ]{2,}", name)}
        for name in names:
            by_word[name] |= names
    return by_word


def _base_forms(word: str, rules: str) -> set[str]:
    pairs = [rule.split(":") for rule in rules.split()]
    return {word} | {word.removesuffix(end) + base for end, base in pairs if word.endswith(end)}
