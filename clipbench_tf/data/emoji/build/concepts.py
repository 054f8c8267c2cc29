"""The concepts: class names made from CLDR short names, base groups, keywords."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from clipbench_tf.data.emoji.build.packages import codepoints

COMPONENT_GROUP = 2  # skin tones and hair styles, which are no emoji of their own

# Words that differ between the gender variants of one base concept.
_PERSON = re.compile(r"\b(woman and man|(wo)?man|(wo)?men|person|people)\b")
# Variants whose names do not show that they are variants.
_ALIASES = {
    "prince": "royalty",
    "princess": "royalty",
    "with crown": "royalty",
    "santa claus": "claus",
    "mrs. claus": "claus",
    "mx claus": "claus",
    "merman": "merperson",
    "mermaid": "merperson",
    "boy": "child",
    "girl": "child",
    "older": "old",
    "breast-feeding": "feeding baby",
}


@dataclass(frozen=True)
class Concept:
    """One class: its names, groups and keywords."""

    code: str  # code points, e.g. "1f600"
    label: str  # CLDR short name, e.g. "flag: France"
    name: str  # class name, e.g. "flag of France"
    group: str  # e.g. "smileys & emotion"
    subgroup: str  # e.g. "face smiling"
    keywords: tuple[str, ...]
    openmoji_keywords: tuple[str, ...]  # CC BY-SA 4.0: for OpenMoji's own records only
    base: str  # concepts with the same base are variants of one idea


def class_name(label: str) -> str:
    """Makes a CLDR short name read like a phrase: "flag: France" -> "flag of France"."""
    text = label.translate(str.maketrans("\u2019\u201c\u201d", '\'""')).replace(" & ", " and ")
    head, colon, tail = text.partition(": ")
    if not colon:
        return text
    if tail == "bald":
        return f"bald {head}"
    if head in ("flag", "family"):
        return f"{head} of {tail}"
    if head in ("kiss", "couple with heart"):
        return f"{head} between {tail.replace(', ', ' and ')}"
    if head == "keycap" or tail == "facing right":
        return f"{head} {tail}"
    return f"{head} with {tail}"


def base_group(label: str) -> str:
    """The base concept of a CLDR short name; gender, hair and family variants share it.

    "woman firefighter", "man firefighter" and "firefighter" all give "firefighter".
    """
    text = label.lower()
    if not text.startswith(("flag:", "keycap:")):
        text = text.partition(":")[0]
    text = " ".join(_PERSON.sub(" ", text).split())
    return _ALIASES.get(text, text) or "person"


def clean_keywords(tags: list[str], name: str) -> tuple[str, ...]:
    """Keeps the tags that are words and add something to the name."""
    known = set(re.findall(r"\w+", name.lower()))
    kept: dict[str, None] = {}
    for tag in tags:
        text = " ".join(tag.replace("\u2019", "'").replace("_", " ").split())
        words = re.findall(r"\w+", text.lower())
        if re.search(r"[^\W\d_]{2}", text) and not known.issuperset(words):
            kept.setdefault(text)
    return tuple(kept)


def read_concepts(roots: dict[str, Path]) -> list[Concept]:
    """Reads every emoji without skin tone from emojibase's English data, in Unicode order."""
    data = roots["emojibase"]
    entries = json.loads((data / "en" / "data.json").read_text(encoding="utf-8"))
    names = json.loads((data / "meta" / "groups.json").read_text(encoding="utf-8"))
    listed = json.loads((roots["openmoji"] / "data" / "openmoji.json").read_text("utf-8"))
    extra = {codepoints(entry["hexcode"]): entry["openmoji_tags"] for entry in listed}
    concepts = []
    for entry in entries:
        if entry.get("group", COMPONENT_GROUP) == COMPONENT_GROUP:
            continue
        name = class_name(entry["label"])
        code = codepoints(entry["hexcode"])
        concepts.append(
            Concept(
                code=code,
                label=entry["label"],
                name=name,
                group=names["groups"][str(entry["group"])].replace("-", " & "),
                subgroup=names["subgroups"][str(entry["subgroup"])].replace("-", " "),
                keywords=clean_keywords(entry.get("tags", []), name),
                openmoji_keywords=clean_keywords(extra.get(code, "").split(","), name),
                base=base_group(entry["label"]),
            )
        )
    if len({concept.name.lower() for concept in concepts}) != len(concepts):
        raise ValueError("two concepts have the same class name")
    return concepts
