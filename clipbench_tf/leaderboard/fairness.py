"""Whether rows of a suite differ in nothing but what they name."""

import itertools
import re
from collections.abc import Mapping, Sequence

from clipbench_tf import config
from clipbench_tf.leaderboard.entry import Level

# What the rows of each factor of the paper's tables may differ in: parameters by their full name
# (module.Name.parameter below clipbench_tf), "*" for any part.
TOUCHES: dict[str, tuple[str, ...]] = {
    "method": (
        "method.Method.name",
        "method.Method.objectives",
        "objectives.*",
        "data.images.image_views.ImageViews.views",
        "data.pipeline.Pipeline.caption_views",
        "data.pipeline.Pipeline.mask_probability",
        "data.text.caption_ops.*",
        "data.text.masking.*",
        "evaluation.scorers.*",
        "training.train.Trainer.scorer",
    ),
    "image encoder": (
        "EMBED_DIM",
        "method.Method.image_encoder",
        "models.modified_resnet.*",
        "models.vision_transformer.*",
        "models.hub_image.*",
    ),
    "text layers": ("models.text_transformer.TextTransformer.depth",),
    "data": ("data.pipeline.Pipeline.dataset",),
}
# Where only one of two rows has these, they do not differ: a view is bound where it is used, and
# must be the same wherever it is.
_WHERE_USED = re.compile(r"data\.images\.image_views\.View\.")


def parameters(text: str) -> dict[str, str]:
    """The values in the gin config `text`, by their full names; scopes stay in front."""
    modules, found = dict[str, str](), dict[str, str]()
    for statement in config.statements(text):
        if imported := re.fullmatch(r"from ([\w.]+) import (\w+)(?: as (\w+))?", statement):
            package, name, alias = imported.groups()
            modules[alias or name] = f"{package}.{name}".removeprefix("clipbench_tf.")
    for statement in config.statements(text):
        if bound := re.match(r"((?:[\w.]+/)*)([\w.]+) = (.*)", statement, re.DOTALL):
            scope, name, value = bound.groups()
            module, _, rest = name.partition(".")
            full = f"{modules.get(module, module)}.{rest}" if rest else name
            found[scope + full] = " ".join(value.removeprefix("\\").split())
    return found


def differences(first: str, second: str) -> dict[str, tuple[str | None, str | None]]:
    """What two configs bind differently: parameter -> its two values, None where unbound."""
    return _differing(parameters(first), parameters(second))


def _differing(
    one: Mapping[str, str], other: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    return {
        name: (one.get(name), other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name) and not _of_use(name, one, other)
    }


def _of_use(name: str, one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    bare = name.rpartition("/")[2]
    return bool(_WHERE_USED.match(bare)) and not (name in one and name in other)


def unnamed(
    configs: Mapping[tuple[Level, ...], str],
    factors: Sequence[str],
    touches: Mapping[str, Sequence[str]],
) -> list[str]:
    """What rows differ in without naming it, a line each.

    Args:
        configs: gin text by row.
        factors: names of the levels of a row, in their order.
        touches: by factor, the parameters that it may change (`TOUCHES` for the paper's).
    """
    found, bound = [], {row: parameters(text) for row, text in configs.items()}
    for first, second in itertools.combinations(bound, 2):
        named = [f for f, a, b in zip(factors, first, second, strict=True) if a != b]
        allowed = [pattern for factor in named for pattern in touches.get(factor, ())]
        for name, values in _differing(bound[first], bound[second]).items():
            if not any(_matches(name.rpartition("/")[2], pattern) for pattern in allowed):
                pair = " and ".join("unbound" if v is None else v for v in values)
                found.append(
                    f"{_text(first)} and {_text(second)} differ in {name} ({pair}), which "
                    f"{' and '.join(named) or 'no factor'} does not name"
                )
    return found


def _matches(name: str, pattern: str) -> bool:
    if not pattern.endswith("*"):
        return name == pattern
    return name.startswith(pattern[:-1])


def _text(row: Sequence[Level]) -> str:
    return " ".join(map(str, row))
