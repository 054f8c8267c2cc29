"""CLIP's modified ResNet image tower (Radford et al. 2021, section 2.4; He et al. 2016)."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from clipbench_tf.features import ImageFeatures
from clipbench_tf.models.attention_pool import AttentionPool
from clipbench_tf.models.layers.batch_norm import BatchNorm
from clipbench_tf.models.layers.convolution import Convolution
from clipbench_tf.models.layers.dense import Dense
from clipbench_tf.models.layers.relu import relu
from clipbench_tf.models.pixels import IMAGENET, Normalize
from clipbench_tf.models.transformer import normal, torch_uniform

EXPANSION = 4  # ratio of output to inner channels of a bottleneck
REDUCTION = 32  # ratio of pixels to positions of the last map, along a side


class ModifiedResNet(keras.layers.Layer):
    """Three-convolution stem -> bottlenecks -> attention pooling -> projection.

    The defaults are CLIP's ResNet-50.

    Call shape: uint8 or float [B, H, W, 3] in 0..255 -> `ImageFeatures`: embedding
    [B, embed_dim], pooled [B, 32 * width] (attention-pooled, before the projection), tokens
    [B, (image_size / 32)^2, 32 * width] (the last map, which FILIP aligns with words).

    In training the batch norms see the whole input of a call: all views of all replicas. Their
    running variance averages biased variances, PyTorch's unbiased ones, which differ by a factor
    of 1 - 1 / (B H W), with H W positions in the map.

    Deviates: the released code encodes the views one by one, and in its configurations that work
    the batch norms see each GPU's own batch only (`synchronized=False`).

    Args:
        image_size: side of the pictures in pixels.
        depths: number of bottlenecks in each of the four stages.
        width: channels after the stem; the last map has 32 times as many.
        heads: number of heads of the attention pooling.
        embed_dim: width of the shared space.
        synchronized: whether batch norms see the global batch, or that of each replica.
        mean, std: of pixels in 0..1 (see `Normalize`).

    Raises:
        ValueError: if `image_size` is not a multiple of 32, `width` of 2, or 32 * `width` of
            `heads`, or `depths` is not four positive numbers; when built, for another image size.
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        depths: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        heads: int = 32,
        embed_dim: int = 1024,
        synchronized: bool = True,
        mean: Sequence[float] = IMAGENET[0],
        std: Sequence[float] = IMAGENET[1],
        name: str = "visual",
    ) -> None:
        super().__init__(name=name)
        if image_size % REDUCTION:
            raise ValueError(f"image_size {image_size} is not a multiple of {REDUCTION}.")
        if width % 2:
            raise ValueError(f"width {width} is odd; half of it is the width of the stem.")
        if len(depths) != 4 or min(depths) < 1:
            raise ValueError(f"depths {tuple(depths)} must be four numbers above 0.")
        self.image_size, self.embed_dim = image_size, embed_dim
        self.width = 8 * EXPANSION * width
        self.patches = (image_size // REDUCTION) ** 2
        self.normalize = Normalize(mean=mean, std=std)
        self.conv1 = convolution(3, width // 2, 3, "conv1", strides=2, padding="valid")
        self.conv2 = convolution(width // 2, width // 2, 3, "conv2")
        self.conv3 = convolution(width // 2, width, 3, "conv3")
        self.bn1, self.bn2, self.bn3 = (
            BatchNorm(synchronized=synchronized, name=f"bn{i}") for i in (1, 2, 3)
        )
        self.blocks = _bottlenecks(depths, width, synchronized)
        self.attnpool = AttentionPool(
            positions=self.patches, width=self.width, heads=heads, name="attnpool"
        )
        self.proj = Dense(
            embed_dim,
            kernel_initializer=normal(self.width**-0.5),
            bias_initializer=torch_uniform(self.width),
            name="proj",
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if tuple(input_shape[1:]) != (self.image_size, self.image_size, 3):
            raise ValueError(
                f"The image tower is built for images of {self.image_size} px, but got "
                f"{tuple(input_shape)}; make image_size of the tower and size of the views equal."
            )

    def call(self, images: tf.Tensor, training: bool = False) -> ImageFeatures:
        # PyTorch pads both sides equally; "same" with a stride of 2 would pad one side only.
        x = tf.pad(self.normalize(images), [[0, 0], [1, 1], [1, 1], [0, 0]])
        x = relu(self.bn1(self.conv1(x), training=training), training=training)
        x = relu(self.bn2(self.conv2(x), training=training), training=training)
        x = relu(self.bn3(self.conv3(x), training=training), training=training)
        x = average_pool(x, 2)
        for block in self.blocks:
            x = block(x, training=training)
        tokens = tf.reshape(x, [-1, self.patches, self.width])
        pooled = self.attnpool(tokens)
        return ImageFeatures(self.proj(pooled), pooled, tokens)


class Bottleneck(keras.layers.Layer):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; strides are average pools.

    Call shape: [B, H, W, channels] -> [B, H / stride, W / stride, 4 * width].

    Args:
        channels: of the input.
        width: channels of the inner convolutions.
        stride: of the average pools in both paths, before their last convolution.
        project: whether the shortcut has a convolution of its own; needed where the shape
            changes.
    """

    def __init__(
        self,
        *,
        channels: int,
        width: int,
        stride: int,
        project: bool,
        synchronized: bool,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.stride = stride
        self.conv1 = convolution(channels, width, 1, "conv1")
        self.conv2 = convolution(width, width, 3, "conv2")
        self.conv3 = convolution(width, EXPANSION * width, 1, "conv3")
        self.bn1, self.bn2 = (
            BatchNorm(synchronized=synchronized, name=name) for name in ("bn1", "bn2")
        )
        # At the start a block adds nothing to its shortcut.
        self.bn3 = BatchNorm(synchronized=synchronized, gamma="zeros", name="bn3")
        self.downsample = None
        if project:
            self.downsample = convolution(channels, EXPANSION * width, 1, "downsample")
            self.downsample_bn = BatchNorm(synchronized=synchronized, name="downsample_bn")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        def build(convolution: Convolution, norm: BatchNorm, shape: tuple) -> tuple:
            convolution.build(shape)
            norm.build((*shape[:-1], convolution.filters))
            return (*shape[:-1], convolution.filters)

        shape = build(self.conv1, self.bn1, tuple(input_shape))
        build(self.conv3, self.bn3, build(self.conv2, self.bn2, shape))
        if self.downsample is not None:
            build(self.downsample, self.downsample_bn, tuple(input_shape))

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        shortcut = average_pool(x, self.stride)
        if self.downsample is not None:
            shortcut = self.downsample_bn(self.downsample(shortcut), training=training)
        x = relu(self.bn1(self.conv1(x), training=training), training=training)
        x = relu(self.bn2(self.conv2(x), training=training), training=training)
        x = self.bn3(self.conv3(average_pool(x, self.stride)), training=training)
        return relu(x, shortcut, training=training)


def _bottlenecks(depths: Sequence[int], width: int, synchronized: bool) -> list[Bottleneck]:
    """All blocks in order; stage s has inner width 2^s * width; all but the first halve the map."""
    blocks: list[Bottleneck] = []
    channels = width
    for stage, depth in enumerate(depths):
        for index in range(depth):
            blocks.append(
                Bottleneck(
                    channels=channels,
                    width=width * 2**stage,
                    stride=2 if stage and not index else 1,
                    project=not index,
                    synchronized=synchronized,
                    name=f"layer{stage + 1}_{index}",
                )
            )
            channels = EXPANSION * width * 2**stage
    return blocks


def convolution(
    channels: int,
    filters: int,
    size: int,
    name: str,
    *,
    strides: int = 1,
    padding: str = "same",
) -> Convolution:
    """A convolution from `channels` to `filters` without bias, initialised as in PyTorch."""
    return Convolution(
        filters,
        size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=torch_uniform(channels * size**2),
        name=name,
    )


def average_pool(x: tf.Tensor, stride: int) -> tf.Tensor:
    """Means of `stride` x `stride` squares: [B, H, W, D] -> [B, H / stride, W / stride, D]."""
    return x if stride == 1 else tf.nn.avg_pool2d(x, stride, stride, "VALID")
