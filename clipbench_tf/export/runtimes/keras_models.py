"""The towers as plain Keras models in `.keras` files.

Keras loads classes of other packages only if they are registered, which importing this file does:

    import keras
    import clipbench_tf.export.runtimes.keras_models
    model = keras.saving.load_model("image.keras")
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import LateInteraction
from clipbench_tf.export import towers
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.runtimes import usage
from clipbench_tf.features import TextFeatures, unit
from clipbench_tf.objectives.fine_grained import FineGrained

IMAGE, TEXT = "image.keras", "text.keras"
_KINDS = {kind.__name__: kind for kind in towers.OWN}


@keras.saving.register_keras_serializable("clipbench_tf")
class Encoder(keras.layers.Layer):
    """A tower with outputs of unit length, in float32 whatever the dtype policy.

    Call shape: pixels [B, H, W, 3] in 0..255, or ids int32 [B, L] -> float32 [B, E]. With
    `token_width`, a dict of it as "embedding", of "tokens" float32 [B, P or L, token_width], and
    for texts of "mask" bool [B, L], true for tokens that count.

    Args:
        tower: its class and arguments (`towers.described`).
        token_width: of the tokens that late interaction compares.
        count_padding: whether start, end and padding of texts count too (see `FineGrained`).
        trainable: see Keras.
        dtype: as Keras saves it; only "float32".
    """

    def __init__(
        self,
        *,
        tower: dict[str, Any],
        token_width: int | None = None,
        count_padding: bool = False,
        trainable: bool = True,
        dtype: str = "float32",
        name: str = "encoder",
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        arguments = {key: value for key, value in tower.items() if key != "class"}
        self.tower = _KINDS[tower["class"]](**arguments)
        self.count_padding = count_padding
        self.mapping = keras.layers.Dense(token_width, name="mapping") if token_width else None
        for layer in self._flatten_layers():
            layer.dtype_policy = "float32"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.built = True  # call() builds the layers within

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor | Representation:
        features = self.tower(inputs, training=training)
        embedding = unit(features.embedding)
        if self.mapping is None:
            return embedding
        outputs = {"embedding": embedding, "tokens": unit(self.mapping(features.tokens))}
        if isinstance(features, TextFeatures):
            count = tf.ones_like(features.mask) if self.count_padding else features.mask
            outputs["mask"] = count
        return outputs


def write(encoders: MethodEncoders, folder: Path, *, templates: Sequence[str] = ()) -> list[str]:
    """Writes `image.keras`, `text.keras`, `usage.json` and the tokenizer's files.

    Args:
        encoders: the model.
        folder: exists.
        templates: prompts with `{}` for the class name.

    Returns:
        Lines of text: what was written, and what is not in it.

    Raises:
        ExportError: if a tower is one of KerasHub.
    """
    method, side = encoders.method, encoders.image_size
    heads: dict[str, Any] = dict.fromkeys(("image", "text"))
    counted = False
    if isinstance(encoders.scorer, LateInteraction):
        (objective,) = (o for o in method.objectives if isinstance(o, FineGrained))
        heads = {"image": objective.image_mapping, "text": objective.text_mapping}
        counted = objective.count_padding
    length = encoders.tokenizer.context_length if encoders.scorer.whole_texts else None
    image = keras.Input((side, side, 3), dtype="float32", name="pixels")  # casts uint8
    text = keras.Input((length,), dtype="int32", name="ids")
    _model(image, method.image_encoder, heads["image"]).save(folder / IMAGE)
    _model(text, method.text_encoder, heads["text"], count_padding=counted).save(folder / TEXT)
    load = f"import keras, {__name__}; keras.saving.load_model(file)"
    usage.write(
        encoders,
        folder,
        runtime="keras",
        image={"file": IMAGE, "load": load, "backend": "tensorflow"},
        text={"file": TEXT, "load": load, "backend": "tensorflow"},
        templates=templates,
    )
    return [
        f"{IMAGE} and {TEXT}: float32, any batch size, to be trained on or to infer with.",
        f"  To load them, clipbench_tf must be installed: {load}",
        f"  {usage.FILE} says how to make pixels and ids, and what to do with the outputs",
        "  not in them: decoding and resizing of pictures, the tokenizer, class names, objectives",
    ]


def _model(
    inputs: keras.KerasTensor,
    tower: keras.layers.Layer,
    head: keras.layers.Dense | None,
    *,
    count_padding: bool = False,
) -> keras.Model:
    """A model of `inputs` with the weights of `tower` and `head`."""
    described = towers.described(tower)
    if described["class"] not in _KINDS:
        raise ExportError(
            f"A Keras model is written only of {', '.join(_KINDS)}, and this tower is a "
            f"{described['class']}; save its preset with KerasHub, or export a SavedModel or ONNX."
        )
    encoder = Encoder(
        tower={**described, "name": tower.name},
        token_width=head.units if head else None,
        count_padding=count_padding,
    )
    model = keras.Model(inputs, encoder(inputs), name=tower.name)
    _copy(tower, encoder.tower)
    if head:
        _copy(head, encoder.mapping)
    return model


def _copy(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """Gives `target` the weights of `source`, by their paths below the two."""
    values = {weight.path.removeprefix(f"{source.path}/"): weight for weight in source.weights}
    for weight in target.weights:
        weight.assign(values[weight.path.removeprefix(f"{target.path}/")])
