"""The image tower for LiteRT, TensorFlow Lite's name since 2024, by TensorFlow's own converter."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow.types.experimental import PolymorphicFunction

from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.export.runtimes import functions, usage

FULL, HALF = "image.tflite", "image_float16.tflite"


def write(encoders: MethodEncoders, folder: Path, *, templates: Sequence[str] = ()) -> list[str]:
    """Writes `image.tflite`, the same with weights in float16, and `usage.json`.

    Args:
        encoders: the model.
        folder: exists.
        templates: prompts with `{}` for the class name.

    Returns:
        Lines of text: what was written, and what is not in it.

    Raises:
        ExportError: if the tower has 2 GiB of weights or more.
    """
    functions.check_size(encoders.method.image_encoder, "image")
    full, half = _converted(functions.image(encoders))
    for name, data in ((FULL, full), (HALF, half)):
        (folder / name).write_bytes(data)
    usage.write(
        encoders,
        folder,
        runtime="litert",
        image={"file": FULL, "float16_file": HALF, "batch": 1, "resizable": True},
        text=None,
        templates=templates,
    )
    return [
        f"{FULL} ({len(full) / 1e6:.1f} MB), and {HALF} ({len(half) / 1e6:.1f} MB), whose weights "
        f"are rounded to float16.",
        "  One picture a call, or any number after `resize_tensor_input`.",
        f"  {usage.FILE} says how to make the pixels, and what to do with the outputs",
        "  not in them: the text tower (embed class names with another format, once), decoding and "
        "resizing",
    ]


def _converted(function: PolymorphicFunction) -> tuple[bytes, bytes]:
    """LiteRT models with weights in float32 and in float16."""
    concrete = function.get_concrete_function()
    module = tf.Module()
    module.weights = list({v.ref(): v for v in concrete.graph.variables}.values())
    with tempfile.TemporaryDirectory() as folder:
        # From the function alone, the converter keeps variables that nothing initialises.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, folder, {"serving_default": concrete}, options)
        full = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return full, converter.convert()
