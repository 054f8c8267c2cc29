"""A method of ours that holds published weights."""

from collections.abc import Callable

import tensorflow as tf

from clipbench_tf.conversion.names.architecture import Architecture, ConversionError
from clipbench_tf.conversion.names.declip_names import PREDICTOR, PROJECTOR, SIMCLR
from clipbench_tf.conversion.names.published import Published
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.data.text.vocabulary import IGNORED_LABEL
from clipbench_tf.evaluation import scorers
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.features import Batch
from clipbench_tf.method import Method
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.objectives.text_mlm import TextMLM

_VIEWS = 3  # SLIP's; the others read fewer
_COUNTERS = ("position", "skipped_steps")  # of a training run, which starts anew


def method(published: Published) -> tuple[Method, list[str]]:
    """A new method with the weights of `published`, and the paths of weights that it lacks.

    Raises:
        ConversionError: for a weight of another shape than ours; both are named.
    """
    towers = published.towers
    made = Method(
        image_encoder=towers.image_tower(),
        text_encoder=towers.text_tower(),
        objectives=_objectives(published),
        name=published.method,
    )
    made.build(_example(towers))
    variables = {v.path.removeprefix(f"{made.name}/"): v for v in made.variables}
    for weight in published.weights:
        variable, value = variables.pop(weight.ours), published.value(weight)
        if value.shape != tuple(variable.shape):
            raise ConversionError(
                f"{published.described(weight)} in the checkpoint becomes {value.shape}, but "
                f"{weight.ours} of ours is {tuple(variable.shape)}."
            )
        variable.assign(value)
    return made, [path for path in variables if path not in _COUNTERS]


def encoders(published: Published, made: Method) -> MethodEncoders:
    """The `Encoders` that score as the publisher does."""
    late = published.method == "filip"
    scorer = (
        scorers.late_interaction(made, average_positions=True) if late else scorers.cosine(made)
    )
    towers = published.towers
    return MethodEncoders(
        made,
        tokenizer=Tokenizer(context_length=towers.text["context_length"]),
        scorer=scorer,
        image_size=towers.image["image_size"],
        resize=towers.resize,
        interpolation=towers.interpolation,
        exact=True,
    )


def _objectives(published: Published) -> list[Objective]:
    """Those with weights, as wide as the published ones; a CLIP has none and trains `ImageText`."""
    shapes = published.shapes

    def widths(prefix: str, *layers: str) -> list[int]:
        return [shapes[f"{prefix}{layer}.weight"][0] for layer in layers]

    linears = ("linear1", "linear2", "linear3")
    parts: dict[str, Callable[[], Objective]] = {
        "slip": lambda: ImageSimCLR(widths=widths(SIMCLR, *linears)),
        "simsiam": lambda: ImageSimSiam(
            projector_widths=widths(PROJECTOR, *linears),
            predictor_widths=widths(PREDICTOR, "linear1", "layer2"),
        ),
        "mlm": TextMLM,
        # As the released code selects and counts.
        "dense": lambda: FineGrained(
            width=shapes["image_mapping.weight"][0],
            selection_count=16,
            selection_score="own_pair",
            count_padding=True,
        ),
    }
    wanted = {
        "clip": (),
        "slip": ("slip",),
        "filip": ("dense",),
        "declip": ("simsiam", "mlm"),
        "defilip": ("simsiam", "mlm", "dense"),
    }[published.method]
    pooled = [] if published.method == "filip" else [ImageText()]
    return [*pooled, *(parts[name]() for name in wanted)]


def _example(towers: Architecture) -> Batch:
    size, length = towers.image["image_size"], towers.text["context_length"]
    return {
        "images": tf.zeros([2, _VIEWS, size, size, 3], tf.uint8),
        "ids": tf.ones([2, 1, length], tf.int32),
        "mlm_labels": tf.fill([2, length], IGNORED_LABEL),
        "position": tf.zeros([2], tf.int64),
    }
