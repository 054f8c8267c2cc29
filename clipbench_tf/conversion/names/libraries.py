"""Where weights come from and go to; read without TensorFlow, so that errors appear at once."""

import enum


class Origin(enum.StrEnum):
    """Who published weights that are converted."""

    OPENAI = "openai"
    OPEN_CLIP = "open_clip"
    TRANSFORMERS = "transformers"
    KERAS_HUB = "keras_hub"
    DECLIP = "declip"


class Target(enum.StrEnum):
    """Which library loads what is written."""

    OPEN_CLIP = "open_clip"
    TRANSFORMERS = "transformers"
    KERAS_HUB = "keras_hub"
