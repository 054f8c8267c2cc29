"""What a published CLIP is made of: the towers that its weights fit, and how it sees a picture."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.pixels import CLIP
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer

IMAGE_TOWERS = {"VisionTransformer": VisionTransformer, "ModifiedResNet": ModifiedResNet}
HEAD = 64  # width of an attention head in all published CLIPs

Shapes = Mapping[str, tuple[int, ...]]


class ConversionError(ValueError):
    """Weights that cannot be converted; the message names them and the remedy."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Two towers, as the arguments that build them, and the view of a picture.

    Attributes:
        kind: of the image tower, a key of `IMAGE_TOWERS`.
        image: arguments of the image tower.
        text: arguments of the text tower.
        resize, interpolation: of the view for evaluation (see `evaluation_view`).
    """

    kind: str
    image: dict[str, Any]
    text: dict[str, Any]
    resize: float = 1.0
    interpolation: str = "bicubic"

    def seen_as(
        self, *, mean: Sequence[float], std: Sequence[float], interpolation: str
    ) -> "Architecture":
        """The same towers with another normalisation and view."""
        image = self.image | {"mean": list(mean), "std": list(std)}
        return dataclasses.replace(self, image=image, interpolation=interpolation)

    def image_tower(self) -> VisionTransformer | ModifiedResNet:
        """A new image tower."""
        return IMAGE_TOWERS[self.kind](**self.image)

    def text_tower(self) -> TextTransformer:
        """A new text tower."""
        return TextTransformer(**self.text)

    def check_transformers(self, theirs: str) -> None:
        """Complains of what only open_clip's models have.

        Args:
            theirs: the model of the other library that this is to become.

        Raises:
            ConversionError: for a ResNet, or text with a projection bias.
        """
        if self.kind != "VisionTransformer" or self.text["projection_bias"]:
            resnet = self.kind != "VisionTransformer"
            lacking = "a ModifiedResNet" if resnet else "a projection bias"
            raise ConversionError(
                f"{theirs} has no place for {lacking}; write it with --to=open_clip."
            )


def vision_transformer(
    *, image_size: int, patch_size: int, width: int, depth: int, embed_dim: int, **given: Any
) -> dict[str, Any]:
    """Arguments of a `VisionTransformer` with OpenAI's normalisation, unless `given` others."""
    sizes = {"image_size": image_size, "patch_size": patch_size, "width": width, "depth": depth}
    published = {"heads": max(1, width // HEAD), "mean": CLIP[0], "std": CLIP[1]}
    return {**sizes, "embed_dim": embed_dim, **published, **given}


def side(positions: int, name: str) -> int:
    """The side of a square map with a class position before it.

    Raises:
        ConversionError: if `positions` - 1 is no square.
    """
    root = math.isqrt(positions - 1)
    if root * root != positions - 1:
        raise ConversionError(
            f"{name} has {positions} positions, which is not a square map and a class position."
        )
    return root


def blocks(shapes: Shapes, prefix: str) -> int:
    """How many numbered modules `<prefix><number>.` there are.

    Raises:
        ConversionError: if a number is missing.
    """
    found = {
        int(name.removeprefix(prefix).split(".", 1)[0])
        for name in shapes
        if name.startswith(prefix) and name.removeprefix(prefix).split(".", 1)[0].isdecimal()
    }
    if missing := set(range(max(found, default=0) + 1)) - found:
        raise ConversionError(
            f"There is no {prefix}{min(missing)}: the checkpoint is not whole, or of another model."
        )
    return len(found)
