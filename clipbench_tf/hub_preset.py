"""KerasHub presets: pre-trained backbones, image converters and tokenizers, by folder or name.

KerasHub takes three seconds to import, so it is imported only where it is used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras


def backbone(preset: str, part: str) -> keras.Model:
    """The backbone of `preset` with its weights, under the current dtype policy.

    Args:
        preset: a folder that `save_to_preset` wrote, or a name that KerasHub downloads
            (`vit_base_patch16_224_imagenet`, `kaggle://...`, `hf://...`).
        part: "vision_encoder" or "text_encoder", where the backbone has two towers.

    Raises:
        ValueError: if there is no such preset.
    """
    whole = whole_backbone(preset)
    return getattr(whole, part, whole)


def whole_backbone(preset: str) -> keras.Model:
    """The backbone of `preset` with all towers; otherwise as `backbone`."""
    import keras_hub

    with _explained(preset, "a backbone"):
        return keras_hub.models.Backbone.from_preset(preset, dtype=keras.config.dtype_policy().name)


def image_scale(preset: str) -> tuple[Any, Any]:
    """(scale, offset) of the preset's image converter: pixels in 0..255 * scale + offset.

    Raises:
        ValueError: if the preset has no image converter.
    """
    import keras_hub

    with _explained(preset, "an image converter"):
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
    scale = 1.0 if converter.scale is None else converter.scale
    return scale, 0.0 if converter.offset is None else converter.offset


def tokenizer(preset: str) -> Any:
    """The preset's tokenizer, a new one each time.

    TensorFlow drops the kernel that holds a SentencePiece tokenizer when the random seed is set,
    which makes earlier instances unusable.

    Raises:
        ValueError: if the preset has no tokenizer.
    """
    import keras_hub

    with _explained(preset, "a tokenizer"):
        return keras_hub.models.Tokenizer.from_preset(preset)


@contextmanager
def _explained(preset: str, what: str) -> Iterator[None]:
    """Turns KerasHub's errors for a missing preset into a ValueError that names the remedy."""
    try:
        yield
    except Exception as error:  # of various types, depending on where the preset is looked up
        place = Path(preset)
        state = "is a folder" if place.is_dir() else "is no folder here"
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ValueError(
            f"The KerasHub preset {preset!r}, which {state}, gives no {what.split()[-1]} "
            f"({lines[0] if lines else type(error).__name__}). Bind `preset` to a folder that "
            f"holds {what} (written by its save_to_preset), or to a name from "
            f"keras.io/keras_hub/presets on a machine with a network."
        ) from error
