"""Vision Transformer image tower, as in CLIP (Radford et al. 2021; Dosovitskiy et al. 2020)."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from clipbench_tf.features import ImageFeatures
from clipbench_tf.models.pixels import IMAGENET, Normalize
from clipbench_tf.models.transformer import Transformer, layer_norm, normal, torch_uniform


class VisionTransformer(keras.layers.Layer):
    """Patches -> transformer -> class token -> projection.

    Call shape: uint8 or float [B, H, W, 3] in 0..255 -> `ImageFeatures`: embedding
    [B, embed_dim], pooled [B, width], tokens [B, (image_size / patch_size)^2, width] (the patch
    outputs of the last block, before the last norm).

    Deviates: the paper's released code freezes the patch embedding at its random initialisation
    (`frozen_patches`).

    Args:
        image_size: side of the pictures in pixels, a multiple of `patch_size`.
        patch_size: side of a patch in pixels.
        width: D of the tower, a multiple of `heads`.
        depth: number of blocks.
        heads: number of attention heads of a block.
        embed_dim: width of the shared space.
        frozen_patches: whether the patch embedding stays at its random initialisation.
        recompute: trade time for memory (see `Transformer`).
        activation: of the blocks (see `Transformer`).
        mean, std: of pixels in 0..1 (see `Normalize`).

    Raises:
        ValueError: if `image_size` is not a multiple of `patch_size`, or `width` of `heads`, or
            for another activation; when built, for another image size.
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        patch_size: int = 32,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        embed_dim: int = 512,
        frozen_patches: bool = False,
        recompute: bool = False,
        activation: str = "quick_gelu",
        mean: Sequence[float] = IMAGENET[0],
        std: Sequence[float] = IMAGENET[1],
        name: str = "visual",
    ) -> None:
        super().__init__(name=name)
        if image_size % patch_size:
            raise ValueError(
                f"image_size {image_size} is not a multiple of patch_size {patch_size}."
            )
        self.image_size, self.width, self.embed_dim = image_size, width, embed_dim
        self.patches = (image_size // patch_size) ** 2
        self.normalize = Normalize(mean=mean, std=std)
        self.conv1 = keras.layers.Conv2D(
            width,
            patch_size,
            strides=patch_size,
            use_bias=False,
            kernel_initializer=torch_uniform(3 * patch_size**2),
            name="conv1",
        )
        self.conv1.trainable = not frozen_patches
        self.ln_pre, self.ln_post = layer_norm("ln_pre"), layer_norm("ln_post")
        self.transformer = Transformer(
            width=width,
            heads=heads,
            depth=depth,
            causal=False,
            recompute=recompute,
            activation=activation,
        )
        self.proj = keras.layers.Dense(
            embed_dim, use_bias=False, kernel_initializer=normal(width**-0.5), name="proj"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if tuple(input_shape[1:]) != (self.image_size, self.image_size, 3):
            raise ValueError(
                f"The image tower is built for images of {self.image_size} px, but got "
                f"{tuple(input_shape)}; make image_size of the tower and size of the views equal."
            )
        self.class_embedding = self.add_weight(
            (self.width,), normal(self.width**-0.5), name="class_embedding"
        )
        self.positional_embedding = self.add_weight(
            (self.patches + 1, self.width), normal(0.01), name="positional_embedding"
        )

    def call(self, images: tf.Tensor) -> ImageFeatures:
        x = self.conv1(self.normalize(images))
        x = tf.reshape(x, [-1, self.patches, self.width])
        first = tf.cast(self.class_embedding, x.dtype) + tf.zeros_like(x[:, :1])
        x = tf.concat([first, x], axis=1) + tf.cast(self.positional_embedding, x.dtype)
        x = self.transformer(self.ln_pre(x))
        pooled = self.ln_post(x[:, 0])
        return ImageFeatures(self.proj(pooled), pooled, x[:, 1:])
