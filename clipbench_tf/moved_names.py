"""Names of earlier versions in gin files, and their current names."""

import re
from collections.abc import Iterator

MODULES = {
    "data.bpe": "data.text.bpe",
    "data.caption_ops": "data.text.caption_ops",
    "data.cleaning": "data.text.cleaning",
    "data.color_ops": "data.images.color_ops",
    "data.counter_random": "counter_random",
    "data.cropping": "data.images.cropping",
    "data.decoding": "data.images.decoding",
    "data.hub_tokenizer": "data.text.hub_tokenizer",
    "data.image_views": "data.images.image_views",
    "data.masking": "data.text.masking",
    "data.merging": "data.text.merging",
    "data.orientation": "data.images.orientation",
    "data.tokenizer": "data.text.tokenizer",
    "data.trimming": "data.text.trimming",
    "data.vocabulary": "data.text.vocabulary",
    "data.wordnet": "data.text.wordnet",
    "objectives.blockwise_similarity": "objectives.similarity.blockwise_similarity",
    "objectives.token_selection": "objectives.similarity.token_selection",
    "objectives.token_similarity": "objectives.similarity.token_similarity",
    "training.calls": "distribution.messages",
    "training.checkpoints": "checkpoints.checkpoints",
    "training.cluster": "distribution.cluster",
    "training.disk": "checkpoints.disk",
    "training.event_files": "callbacks.tensorboard.event_files",
    "training.every_steps": "callbacks.every_steps",
    "training.fused_adamw": "optimization.fused_adamw",
    "training.grad_cache": "optimization.gradient_cache",
    "training.handshake": "distribution.handshake",
    "training.launcher": "distribution.launcher",
    "training.log_scalars": "callbacks.scalar_log",
    "training.loss_scale": "optimization.loss_scale",
    "training.metrics_log": "callbacks.metrics_log",
    "training.non_finite": "callbacks.non_finite",
    "training.outcome": "training.results",
    "training.peers": "distribution.lost_workers",
    "training.periodic_evaluation": "callbacks.periodic_evaluation",
    "training.progress": "callbacks.progress",
    "training.projector": "callbacks.tensorboard.projector",
    "training.recipe": "optimization.recipe",
    "training.replicas": "distribution.replicas",
    "training.runtime": "distribution.strategy",
    "training.save_checkpoints": "callbacks.save_checkpoints",
    "training.schedule": "optimization.schedule",
    "training.slurm": "distribution.slurm",
    "training.start": "training.build_trainer",
    "training.tensorboard_log": "callbacks.tensorboard.tensorboard_log",
    "training.throughput": "callbacks.throughput",
    "training.view_grid": "callbacks.tensorboard.view_grid",
}
CONFIGURABLES = {"runtime.prepare": "strategy.prepare"}
# A locked tower was in a layer of its own; now it is the `image_encoder`, as any other is.
STATEMENTS = {
    r"from clipbench_tf\.models import locked\b": "from clipbench_tf.training import train",
    r"method\.Method\.image_encoder = @locked\.Locked\(\)": "method.Method.locked = {'image': 0}",
    r"locked\.Locked\.encoder(?= =)": "method.Method.image_encoder",
    r"locked\.Locked\.checkpoint = (?:\\\n *)?(%\w+|['\"].*['\"])": (
        r"train.Trainer.init_from = {'image': \1}"
    ),
    r"locked\.Locked\.name = .*": "",
}


def _split(module: str) -> tuple[str, str]:
    """`a.b` -> `clipbench_tf.a`, `b`."""
    package, _, name = f"clipbench_tf.{module}".rpartition(".")
    return package, name


def _patterns() -> Iterator[tuple[re.Pattern[str], str]]:
    for old, new in MODULES.items():
        (package, name), (new_package, new_name) = _split(old), _split(new)
        yield (
            re.compile(rf"\bfrom {re.escape(package)} import {name}\b"),
            f"from {new_package} import {new_name}",
        )
        yield re.compile(rf"\bclipbench_tf\.{re.escape(old)}\b"), f"clipbench_tf.{new}"
    for old, new in CONFIGURABLES.items():
        yield re.compile(rf"(?<![\w.]){re.escape(old)}\b"), new
    for old, new in STATEMENTS.items():
        yield re.compile(rf"(?<![\w.]){old}"), new


_PATTERNS = tuple(_patterns())


def found(text: str) -> dict[str, str]:
    """The old names in gin `text`, comments excluded, and the new name of each, "" for none."""
    code = re.sub(r"#.*", "", text)
    return {m[0]: m.expand(new) for pattern, new in _PATTERNS for m in pattern.finditer(code)}


def translated(text: str) -> str:
    """Gin `text` with the current names."""
    for pattern, new in _PATTERNS:
        text = pattern.sub(new, text)
    return text
