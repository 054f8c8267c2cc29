"""Any KerasHub backbone as image tower."""

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf import hub_preset
from clipbench_tf.features import ImageFeatures
from clipbench_tf.models.transformer import normal


class HubImage(keras.layers.Layer):
    """A pre-trained backbone -> pooled -> projection.

    Call shape: uint8 or float [B, H, W, 3] in 0..255 -> `ImageFeatures`: embedding [B, embed_dim],
    pooled [B, D], tokens [B, P, D]. They depend on the backbone's output:

    - a map [B, h, w, D] (ResNet and other convolutional ones): its positions and their mean;
    - a sequence (ViT, DeiT, DINOv2 and v3, CLIP's vision encoder, Swin): patches and the class
      token, or their mean where there is none;
    - a vector pooled from a sequence (SigLIP's vision encoder): the patches and that vector.

    Batch norms that train take their statistics over all replicas.

    Pixels are scaled as by the preset's image converter, but not resized.

    Args:
        preset: a folder or a name (see `hub_preset.backbone`).
        image_size: side of the pictures in pixels; must be the preset's if that is fixed.
        embed_dim: width of the shared space.
        locked: freeze the backbone (LiT, Zhai et al. 2021); only the projection is trained.

    Raises:
        ValueError: when built, if the preset is missing, its image size is another one, or it is
            not known where its backbone's patches are.
    """

    def __init__(
        self,
        *,
        preset: str,
        image_size: int,
        embed_dim: int = 512,
        locked: bool = False,
        name: str = "visual",
    ) -> None:
        super().__init__(name=name)
        self.preset, self.image_size, self.embed_dim = preset, image_size, embed_dim
        self.locked = locked

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        backbone = hub_preset.backbone(self.preset, "vision_encoder")
        shape = (self.image_size, self.image_size, 3)
        made_for = tuple(getattr(backbone, "image_shape", (None, None, 3)))
        if tuple(input_shape[1:]) != shape or any(
            side != fixed for side, fixed in zip(shape, made_for, strict=True) if fixed
        ):
            raise ValueError(
                f"The preset {self.preset!r} is made for pictures of {made_for}, the tower for "
                f"{shape}, and it got {tuple(input_shape[1:])}; set image_size of the tower and "
                f"size of the views to the preset's."
            )
        scale, offset = hub_preset.image_scale(self.preset)
        self.scale, self.offset = np.float32(scale), np.float32(offset)
        self.backbone = _with_patches(backbone, self.preset)
        self.backbone.trainable = not self.locked
        for layer in self.backbone._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        width = self.backbone.output[0].shape[-1]
        self.proj = keras.layers.Dense(
            self.embed_dim, use_bias=False, kernel_initializer=normal(width**-0.5), name="proj"
        )
        self.proj.build((None, width))
        self.patches = self.backbone.output[1].shape[1]

    def call(self, images: tf.Tensor, training: bool = False) -> ImageFeatures:
        pixels = tf.cast(images, tf.float32) * self.scale + self.offset
        pooled, tokens = self.backbone(pixels, training=training and not self.locked)
        if self.locked:
            pooled, tokens = tf.stop_gradient(pooled), tf.stop_gradient(tokens)
        return ImageFeatures(self.proj(pooled), pooled, tokens)


def _with_patches(backbone: keras.Model, preset: str) -> keras.Model:
    """A model of pictures -> (pooled [B, D], tokens [B, P, D])."""
    output = backbone.output
    if isinstance(output, dict):
        output = next((x for name, x in output.items() if "sequence" in name), None)
    rank = 0 if output is None else len(output.shape)
    if rank == 4:
        tokens = keras.layers.Reshape((-1, output.shape[-1]), name="positions")(output)
        pooled = keras.layers.GlobalAveragePooling2D(name="mean")(output)
    elif rank == 3:
        first = _before_patches(backbone, preset)
        tokens = output[:, first:]
        pooled = output[:, 0] if first else keras.ops.mean(output, axis=1)
    elif rank == 2 and hasattr(backbone, "post_layer_norm"):
        tokens, pooled = backbone.post_layer_norm.output, output
    else:
        raise ValueError(
            f"The backbone of {preset!r}, {type(backbone).__name__}, gives neither a map nor a "
            f"sequence of patches; choose another one."
        )
    return keras.Model(backbone.inputs[0], (pooled, tokens), name="backbone")


def _before_patches(backbone: keras.Model, preset: str) -> int:
    """Number of tokens before the patches: class token, DeiT's distillation token, registers.

    Listed by class, since the output does not show it.
    """
    known = {
        "ViTBackbone": int(getattr(backbone, "use_class_token", True)),
        "CLIPVisionEncoder": 1,
        "DeiTBackbone": 2,
        "DINOV2Backbone": 1 + getattr(backbone, "num_register_tokens", 0),
        "DINOV3Backbone": 1 + getattr(backbone, "num_register_tokens", 0),
        "SwinTransformerBackbone": 0,
    }
    kind = type(backbone).__name__
    if kind not in known:
        raise ValueError(
            f"The backbone of {preset!r}, {kind}, gives a sequence, but it is not known where "
            f"its patches begin; choose one of {', '.join(known)}, or one that gives a map."
        )
    return known[kind]
