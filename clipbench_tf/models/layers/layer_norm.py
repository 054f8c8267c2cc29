"""Layer norm whose training is two compiled passes, where Keras composes it of a dozen."""

from collections.abc import Callable

import keras
import tensorflow as tf


class LayerNorm(keras.layers.LayerNormalization):
    """Keras's layer norm over the last axis, with scale and shift.

    Call shape: [..., D] -> [..., D]. In training, forward and backward pass are compiled, compute
    in float32 in one go over the input, and keep the input and two numbers a row. Otherwise it is
    Keras's.
    """

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return super().call(x)

        @tf.custom_gradient
        def normalized(
            x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
        ) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
            y, mean, factor = _normalized(x, gamma, beta, self.epsilon)
            return y, lambda upstream: _gradient(x, mean, factor, gamma, upstream)

        gamma, beta = (tf.convert_to_tensor(v, tf.float32) for v in (self.gamma, self.beta))
        rows = tf.reshape(x, [-1, x.shape[-1]])
        return tf.reshape(normalized(rows, gamma, beta), tf.shape(x))


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _normalized(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Rows of `x` [N, D] normalised; float32 [N, 1]: their means, and 1 / standard deviation."""
    wide = tf.cast(x, tf.float32)
    mean = tf.reduce_mean(wide, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(wide - mean), axis=-1, keepdims=True)
    factor = tf.math.rsqrt(variance + epsilon)
    return tf.cast((wide - mean) * factor * gamma + beta, x.dtype), mean, factor


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _gradient(
    x: tf.Tensor, mean: tf.Tensor, factor: tf.Tensor, gamma: tf.Tensor, upstream: tf.Tensor
) -> list[tf.Tensor]:
    """Of `x`, `gamma` and `beta`."""
    standardised = (tf.cast(x, tf.float32) - mean) * factor
    upstream = tf.cast(upstream, tf.float32)
    inner = upstream * gamma
    across = tf.reduce_mean(inner * standardised, axis=-1, keepdims=True)
    of_x = factor * (inner - tf.reduce_mean(inner, axis=-1, keepdims=True) - standardised * across)
    return [
        tf.cast(of_x, x.dtype),
        tf.reduce_sum(upstream * standardised, axis=0),
        tf.reduce_sum(upstream, axis=0),
    ]
