"""The gin file of converted towers, to train them further."""

from typing import Any

from clipbench_tf.conversion.names.architecture import Architecture

_MODULES = {"VisionTransformer": "vision_transformer", "ModifiedResNet": "modified_resnet"}
_MACROS = {"image_size": "IMAGE_SIZE", "embed_dim": "EMBED_DIM", "context_length": "CONTEXT_LENGTH"}


def text(towers: Architecture) -> str:
    """The bindings that build `towers`, with the macros of the shipped files in gin/models."""
    module = _MODULES[towers.kind]
    lines = [
        "# Towers of converted weights; include it in place of a file of gin/models.",
        "from __gin__ import dynamic_registration",
        "",
        "from clipbench_tf import method",
        "from clipbench_tf.data import pipeline",
        "from clipbench_tf.data.text import tokenizer",
        f"from clipbench_tf.models import {module}",
        "from clipbench_tf.models import text_transformer",
        "",
        f"IMAGE_SIZE = {towers.image['image_size']}",
        f"EMBED_DIM = {towers.image['embed_dim']}",
        f"CONTEXT_LENGTH = {towers.text['context_length']}",
        "",
        f"method.Method.image_encoder = @{module}.{towers.kind}()",
        *_bindings(f"{module}.{towers.kind}", towers.image),
        "",
        "method.Method.text_encoder = @text_transformer.TextTransformer()",
        *_bindings("text_transformer.TextTransformer", towers.text),
        "",
        "pipeline.Pipeline.tokenizer = @tokenizer.Tokenizer()",
        "tokenizer.Tokenizer.context_length = %CONTEXT_LENGTH",
    ]
    return "\n".join(lines) + "\n"


def _bindings(target: str, arguments: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in arguments.items():
        shown = tuple(value) if isinstance(value, list) else value
        lines.append(f"{target}.{name} = {'%' + _MACROS[name] if name in _MACROS else repr(shown)}")
    return lines
