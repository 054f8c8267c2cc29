"""The towers for ONNX Runtime, converted by tf2onnx."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tensorflow.types.experimental import PolymorphicFunction

from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.runtimes import functions, usage

OPSET = 18
IMAGE, TEXT = "image.onnx", "text.onnx"


def write(encoders: MethodEncoders, folder: Path, *, templates: Sequence[str] = ()) -> list[str]:
    """Writes `image.onnx`, `text.onnx`, `usage.json` and the tokenizer's files.

    Args:
        encoders: the model.
        folder: exists.
        templates: prompts with `{}` for the class name.

    Returns:
        Lines of text: what was written, and what is not in it.

    Raises:
        ExportError: if tf2onnx is not installed, or a tower has 2 GiB of weights or more.
    """
    method = encoders.method
    parts = (
        (IMAGE, method.image_encoder, functions.image(encoders), ("batch", "patches")),
        (TEXT, method.text_encoder, functions.text(encoders), ("batch", "length")),
    )
    sizes = []
    for name, tower, function, axes in parts:
        data = _converted(function, tower, name, axes)
        (folder / name).write_bytes(data)
        sizes.append(f"{name} ({len(data) / 1e6:.1f} MB)")
    facts = {"opset": OPSET}
    usage.write(
        encoders,
        folder,
        runtime="onnxruntime",
        image={"file": IMAGE, **facts},
        text={"file": TEXT, **facts},
        templates=templates,
    )
    return [
        f"{' and '.join(sizes)}: float32, opset {OPSET}, any batch size.",
        f"  {usage.FILE} says how to make pixels and ids, and what to do with the outputs",
        "  not in them: decoding and resizing of pictures, the tokenizer, class names",
    ]


def _converted(
    function: PolymorphicFunction, tower: keras.layers.Layer, name: str, axes: Sequence[str]
) -> bytes:
    """An ONNX model; its open axes are called `axes`."""
    try:
        import onnx
        from tf2onnx import convert, verbose_logging
    except ImportError as error:
        raise ExportError(
            f"ONNX files are written with tf2onnx, which cannot be imported ({error}): "
            f"pip install 'tf2onnx>=1.17' 'onnx>=1.23'."
        ) from error
    functions.check_size(tower, Path(name).stem)
    verbose_logging.set_level(verbose_logging.CRITICAL)  # what it only logs is checked below
    model, _ = convert.from_function(
        function,
        function.input_signature,
        opset=OPSET,
        custom_op_handlers={"Erfc": (_erfc, [])},
    )
    read = {name for node in model.graph.node for name in node.input}
    for value in [value for value in model.graph.input if value.name not in read]:
        model.graph.input.remove(value)  # what is left of constants, which ONNX Runtime would want
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    if unknown := sorted({node.op_type for node in model.graph.node} - known):
        raise ExportError(
            f"tf2onnx cannot convert this tower ({', '.join(unknown)}); export a SavedModel."
        )
    for value in (*model.graph.input, *model.graph.output):
        for axis, dimension in zip(axes, value.type.tensor_type.shape.dim, strict=False):
            if not dimension.dim_value:
                dimension.dim_param = axis
    return model.SerializeToString()


def _erfc(graph: Any, node: Any, name: str, args: list) -> None:
    """Erfc(x), of which exact GELU is made and which tf2onnx 1.17 does not know, as 1 - Erf(x)."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    one = graph.make_const(f"{name}/one", np.array(1, np.float32))
    erf = graph.make_node("Erf", node.input, shapes=shapes, dtypes=dtypes)
    graph.remove_node(name)
    difference = [one.output[0], erf.output[0]]
    graph.make_node("Sub", difference, outputs=node.output, name=name, shapes=shapes, dtypes=dtypes)
