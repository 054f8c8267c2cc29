"""Layer norm whose training is two compiled passes, where Keras composes it of a dozen."""

from collections.abc import Callable

import keras
import tensorflow as tf


class LayerNorm(keras.layers.LayerNormalization):
    """Keras's layer norm over the last axis, with scale and shift.

    Call shape: [..., D] -> [..., D]. In training, forward and backward pass are compiled, compute
    in float32 in one go over the input, and keep nothing but the input. Otherwise it is Keras's.
    """

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return super().call(x)

        @tf.custom_gradient
        def normalized(
            x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
        ) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
            return (
                _normalized(x, gamma, beta, self.epsilon),
                lambda upstream: _gradient(x, gamma, upstream, self.epsilon),
            )

        gamma, beta = (tf.convert_to_tensor(v, tf.float32) for v in (self.gamma, self.beta))
        rows = tf.reshape(x, [-1, x.shape[-1]])
        return tf.reshape(normalized(rows, gamma, beta), tf.shape(x))


def _standardised(x: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """float32: rows of mean 0 and variance 1, and what `x` [N, D] was multiplied by."""
    x = tf.cast(x, tf.float32)
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    factor = tf.math.rsqrt(variance + epsilon)
    return centred * factor, factor


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _normalized(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    return tf.cast(_standardised(x, epsilon)[0] * gamma + beta, x.dtype)


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _gradient(
    x: tf.Tensor, gamma: tf.Tensor, upstream: tf.Tensor, epsilon: float
) -> list[tf.Tensor]:
    """Of `x`, `gamma` and `beta`."""
    standardised, factor = _standardised(x, epsilon)
    upstream = tf.cast(upstream, tf.float32)
    inner = upstream * gamma
    across = tf.reduce_mean(inner * standardised, axis=-1, keepdims=True)
    of_x = factor * (inner - tf.reduce_mean(inner, axis=-1, keepdims=True) - standardised * across)
    return [
        tf.cast(of_x, x.dtype),
        tf.reduce_sum(upstream * standardised, axis=0),
        tf.reduce_sum(upstream, axis=0),
    ]
