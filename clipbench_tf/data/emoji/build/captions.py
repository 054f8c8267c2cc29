"""The captions of a drawing, each naming its concept."""

from clipbench_tf.data.emoji.build.concepts import Concept
from clipbench_tf.data.emoji.build.splits import hash_fraction

STYLES = {
    "noto": "Noto",
    "twemoji": "Twemoji",
    "openmoji": "OpenMoji",
    "fluent": "Fluent",
    "fluent_flat": "flat Fluent",
}

# Prompts for class names, stored in dataset.json.
TEMPLATES = (
    "{}",
    "an emoji of a {}",
    "a drawing of a {}",
    "an icon of a {}",
    "a picture of a {}",
    "a cartoon of a {}",
    "the {} emoji",
)

# Captions are worded like the prompts, but with the article that fits the name.
_PHRASES = (
    "an emoji of {article}{name}",
    "a drawing of {article}{name}",
    "an icon of {article}{name}",
    "a picture of {article}{name}",
    "a cartoon of {article}{name}",
    "the {name} emoji",
    "{name} emoji",
)


def article(name: str) -> str:
    """The indefinite article before a name, with a space; none before plurals and proper names.

    A rule of thumb on letters: "an angry face", "a cat", "clinking glasses", "Pisces".
    """
    if name[0].isupper() or (name.endswith("s") and not name.endswith(("ss", "us"))):
        return ""
    return "an " if name[0] in "aeio" else "a "


def captions(concept: Concept, style: str) -> list[str]:
    """Captions of one drawing, distinct, the plain name first.

    Which phrases and keywords are used varies with the drawing, by a stable hash.
    """
    key = f"{style}/{concept.code}"
    name = concept.name
    extra = concept.openmoji_keywords if style == "openmoji" else ()
    words = sorted(
        dict.fromkeys(concept.keywords + extra), key=lambda word: hash_fraction("word", key + word)
    )
    order = sorted(_PHRASES, key=lambda phrase: hash_fraction("phrase", key + phrase))
    phrases = [phrase.format(name=name, article=article(name)) for phrase in order]
    texts = [name, phrases[0], f"{concept.subgroup}: {name}"]
    if words:
        texts.append(f"{name}, {', '.join(words[:3])}")
        texts.append(f"{phrases[1]}, {words[-1]}")
    if len(words) > 3:
        texts.append(f"{', '.join(words[2:5])}: {name}")
    else:
        texts.append(f"{concept.group}: {name}")
    texts.append(f"{STYLES[style]} emoji of {article(name)}{name}")
    return list(dict.fromkeys(texts))
