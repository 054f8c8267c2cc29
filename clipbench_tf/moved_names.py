"""Names of earlier versions in gin files, and their current names."""

import re
from collections.abc import Iterator

MODULES = {
    "training.recipe": "optimization.recipe",
    "training.runtime": "distribution.strategy",
    "data.caption_ops": "data.text.caption_ops",
    "data.hub_tokenizer": "data.text.hub_tokenizer",
    "data.image_views": "data.images.image_views",
    "data.tokenizer": "data.text.tokenizer",
}
CONFIGURABLES = {"runtime.prepare": "strategy.prepare"}


def _patterns() -> Iterator[tuple[re.Pattern[str], str]]:
    for old, new in MODULES.items():
        (package, name), (new_package, module) = old.rsplit(".", 1), new.rsplit(".", 1)
        yield (
            re.compile(rf"\bfrom clipbench_tf\.{package} import {name}\b"),
            f"from clipbench_tf.{new_package} import {module}",
        )
        yield re.compile(rf"\bclipbench_tf\.{re.escape(old)}\b"), f"clipbench_tf.{new}"
    for old, new in CONFIGURABLES.items():
        yield re.compile(rf"(?<![\w.]){re.escape(old)}\b"), new


_PATTERNS = tuple(_patterns())


def found(text: str) -> dict[str, str]:
    """The old names in gin `text`, comments excluded, and the new name of each."""
    code = re.sub(r"#.*", "", text)
    return {match[0]: new for pattern, new in _PATTERNS for match in pattern.finditer(code)}


def translated(text: str) -> str:
    """Gin `text` with the current names."""
    for pattern, new in _PATTERNS:
        text = pattern.sub(new, text)
    return text
