"""A convolution whose kernel's gradient is computed by products, where these are faster."""

from collections.abc import Callable

import keras
import tensorflow as tf

from clipbench_tf import hardware

# Positions of a map up to which products were faster on an AMD EPYC Turin with avx512_bf16, two
# cores, 16 maps, 3 x 3 and 1 x 1 kernels: at 7 x 7 by 2.3 and 1.6, at 14 x 14 by 1.2 to 1.5 and 1.1
# to 1.3. At 28 x 28 they were as fast, at 56 x 56 slower by 1.7; in float32 mostly slower. With
# narrow kernels they are slow, too: a run of the small ResNet took 198 in place of 170 s.
_POSITIONS = 14 * 14
_WEIGHTS = 256 * 256  # channels times filters from which on it was measured


class Convolution(keras.layers.Conv2D):
    """Keras's convolution, of square kernels without bias, activation, groups or dilation.

    Call shape: [B, H, W, channels] -> [B, H', W', filters].
    """

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training and self.padding == "same" and self.strides == (1, 1) and self._by_products(x):
            return _convolved(x, tf.cast(self.kernel, x.dtype))
        return super().call(x)

    def _by_products(self, x: tf.Tensor) -> bool:
        """Whether the kernel's gradient for `x` is to be computed by products."""
        if x.dtype != tf.bfloat16 or hardware.on_gpu() or not x.shape[1:].is_fully_defined():
            return False
        _, height, width, channels = x.shape
        small = height * width <= _POSITIONS and channels * self.filters >= _WEIGHTS
        return small and hardware.cpu_bfloat16() is not None


@tf.custom_gradient
def _convolved(
    x: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
    def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
        of_x = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(x), strides=1)
        return [of_x, _kernel_gradient(x, upstream, kernel.shape[0])]

    return tf.nn.conv2d(x, kernel, strides=1, padding="SAME"), gradient


def _kernel_gradient(x: tf.Tensor, upstream: tf.Tensor, size: int) -> tf.Tensor:
    """[size, size, channels, filters]: for each offset, the product of shifted `x` and `upstream`.

    Args:
        x: [B, H, W, channels].
        upstream: gradient of the convolution's output, [B, H, W, filters].
        size: of the kernel along a side.
    """
    (height, width, channels), filters = x.shape[1:], upstream.shape[-1]
    before, after = (size - 1) // 2, size // 2
    padded = tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]]) if size > 1 else x
    rows = tf.reshape(upstream, [-1, filters])
    products = [
        tf.matmul(
            tf.reshape(padded[:, top : top + height, left : left + width], [-1, channels]),
            rows,
            transpose_a=True,
        )
        for top in range(size)
        for left in range(size)
    ]
    return tf.reshape(tf.stack(products), [size, size, channels, filters])
