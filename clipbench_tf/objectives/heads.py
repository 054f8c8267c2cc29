"""Layers that the objectives put on top of the towers' outputs."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from clipbench_tf.models.layers.batch_norm import BatchNorm
from clipbench_tf.models.layers.dense import Dense


class Linear(Dense):
    """Dense layer; kernel and bias start uniform in +-1/sqrt(fan-in), as in the released code.

    Call shape: [..., D] -> [..., units].
    """

    def __init__(self, units: int, *, name: str) -> None:
        # A variance of 1 / (3 fan-in) is that of the uniform distribution in +-1/sqrt(fan-in).
        kernel = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        super().__init__(units, kernel_initializer=kernel, name=name)

    def build(self, input_shape: tuple[int, ...]) -> None:
        bound = input_shape[-1] ** -0.5
        self.bias_initializer = keras.initializers.RandomUniform(-bound, bound)
        super().build(input_shape)


class Perceptron(keras.layers.Layer):
    """Linear - batch norm - ReLU for each of `widths`, without a ReLU after the last.

    Call shape: [B, D] -> [B, widths[-1]]. Batch statistics are those of one call, so two views
    that must not share statistics are passed in two calls.

    Args:
        widths: output width of each linear layer.
        last_norm: whether a batch norm follows the last linear layer too.
        synchronized: whether batch statistics are those of the global batch, or of each replica.
    """

    def __init__(
        self, widths: Sequence[int], *, last_norm: bool, synchronized: bool, name: str
    ) -> None:
        super().__init__(name=name)
        if not widths:
            raise ValueError(f"{name} needs at least one width.")
        self.linears = [Linear(width, name=f"linear_{i}") for i, width in enumerate(widths)]
        self.norms = [
            BatchNorm(synchronized=synchronized, name=f"norm_{i}")
            for i in range(len(widths) - (not last_norm))
        ]

    def build(self, input_shape: tuple[int, ...]) -> None:
        shape = tuple(input_shape)
        for i, linear in enumerate(self.linears):
            linear.build(shape)
            shape = (shape[0], linear.units)
            if i < len(self.norms):
                self.norms[i].build(shape)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        last = len(self.linears) - 1
        for i, linear in enumerate(self.linears):
            x = linear(x)
            if i < len(self.norms):
                x = self.norms[i](x, training=training)
            if i < last:
                x = tf.nn.relu(x)
        return x
