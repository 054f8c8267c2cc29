"""The names of the paper's released code, of all five methods with their heads."""

from collections.abc import Iterator

import numpy as np

from clipbench_tf.conversion.names import openai_names
from clipbench_tf.conversion.names.architecture import Architecture, ConversionError, Shapes
from clipbench_tf.conversion.names.layouts import (
    COMPOSED,
    COMPOSED_BIAS,
    SCALAR,
    Layout,
    Weight,
    rows,
)
from clipbench_tf.conversion.names.openai_names import VISUAL, batch_norm, linear
from clipbench_tf.data.text.vocabulary import END_ID, MASK_ID, START_ID, VOCABULARY_SIZE
from clipbench_tf.models.pixels import IMAGENET

TEXTS = ("encode_text.", "text_encoder.")  # SLIP's is the second
PROJECTOR, PREDICTOR, SIMCLR = "projector.", "predictor.", "predictor_sim."
UNUSED = (
    *openai_names.UNUSED,
    (r"predictor_sim\.bn3\..*", "a batch norm that the released code does not call"),
    (r"visual\.fc\..*", "a layer for other picture sizes, which was not trained"),
)
NO_LOSS = (r"text_label_predictor\..*", "a head whose loss has no weight in the released FILIP")


def method(shapes: Shapes) -> str:
    """Which of the five methods has the heads in `shapes`, whose names have no prefix."""
    if f"{SIMCLR}linear1.weight" in shapes:
        return "slip"
    dense = "image_mapping.weight" in shapes
    if f"{PROJECTOR}linear1.weight" in shapes:
        return "defilip" if dense else "declip"
    return "filip" if dense else "clip"


def architecture(shapes: Shapes) -> Architecture:
    """The sizes of the towers: `openai_names.architecture` with ImageNet's normalisation.

    Raises:
        ConversionError: if these are not the weights of one of the five methods.
    """
    towers = openai_names.architecture(shapes, text=_text(shapes))
    size = shapes[f"{_text(shapes)}token_embedding.weight"][0]
    if size != VOCABULARY_SIZE:
        raise ConversionError(
            f"The token embedding has {size} rows; the released code's has {VOCABULARY_SIZE}. "
            f"Weights of OpenAI or open_clip are converted with --from=openai or open_clip."
        )
    image = towers.image | {"mean": IMAGENET[0], "std": IMAGENET[1]}
    return Architecture(towers.kind, image, towers.text, 256 / 224, "bilinear")


def weights(towers: Architecture, shapes: Shapes) -> list[Weight]:
    """Every weight of the towers, the temperature and the heads."""
    text = _text(shapes)
    # Where attention pooling keeps the width, as in the ResNet of the released SLIP, `fc` follows.
    pooled, fc = f"{VISUAL}attnpool.c_proj.weight", f"{VISUAL}fc.weight"
    joined = fc in shapes and shapes[pooled][0] == shapes[pooled][1] != shapes[fc][0]
    table = rows(vocabulary_order())
    found = openai_names.weights(towers, text=text, table=table, fc=joined)
    heads = list(_heads(method(shapes), rows(vocabulary_order(), transposed=True)))
    return [*found, *(_after_pooling(heads) if joined else heads)]


def _after_pooling(heads: list[Weight]) -> Iterator[Weight]:
    """SLIP's projector reads what attention pooling projected; ours reads what it pools."""
    first, pool = f"{SIMCLR}linear1", f"{VISUAL}attnpool.c_proj"
    for weight in heads:
        if weight.theirs == (f"{first}.weight",):
            yield Weight(weight.ours, (f"{first}.weight", f"{pool}.weight"), COMPOSED)
        elif weight.theirs == (f"{first}.bias",):
            biases = (f"{first}.weight", f"{pool}.bias", f"{first}.bias")
            yield Weight(weight.ours, biases, COMPOSED_BIAS)
        else:
            yield weight


def vocabulary_order() -> np.ndarray:
    """The row in the released tables of each id of ours: int [49409].

    There the mask comes before the start and the end.
    """
    order = np.arange(VOCABULARY_SIZE)
    order[[START_ID, END_ID, MASK_ID]] = START_ID + 1, START_ID + 2, START_ID
    return order


def unused(shapes: Shapes) -> tuple[tuple[str, str], ...]:
    """Patterns of names that are left out, each with the reason."""
    return (*UNUSED, NO_LOSS) if method(shapes) == "filip" else UNUSED


def _text(shapes: Shapes) -> str:
    return next((t for t in TEXTS if f"{t}positional_embedding" in shapes), TEXTS[0])


def _heads(name: str, words: Layout) -> Iterator[Weight]:
    if name == "slip":
        yield from _perceptron("image_simclr/projector", SIMCLR, linears=3, norms=2)
    if name in ("declip", "defilip"):
        yield from _perceptron("image_simsiam/projector", PROJECTOR, linears=3, norms=3)
        yield from _perceptron("image_simsiam/predictor", PREDICTOR, linears=2, norms=1)
        yield Weight("text_mlm/head/kernel", ("text_label_predictor.weight",), words)
        yield Weight("text_mlm/head/bias", ("text_label_predictor.bias",), rows(vocabulary_order()))
    if name in ("filip", "defilip"):
        yield from linear("fine_grained/image_mapping", "image_mapping")
        yield from linear("fine_grained/text_mapping", "text_mapping")
        yield Weight("fine_grained/logit_scale_dense", ("logit_scale_dense",), SCALAR)


def _perceptron(ours: str, theirs: str, *, linears: int, norms: int) -> Iterator[Weight]:
    for number in range(linears):
        # The predictor of SimSiam calls its second layer otherwise.
        layer = "layer2" if theirs == PREDICTOR and number == 1 else f"linear{number + 1}"
        yield from linear(f"{ours}/linear_{number}", f"{theirs}{layer}")
    for number in range(norms):
        yield from batch_norm(f"{ours}/norm_{number}", f"{theirs}bn{number + 1}")
