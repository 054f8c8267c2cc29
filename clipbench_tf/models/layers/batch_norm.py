"""Batch norm over all replicas."""

import keras
import tensorflow as tf

from clipbench_tf.distribution import replicas


class BatchNorm(keras.layers.BatchNormalization):
    """Keras's layer with PyTorch's momentum and epsilon (Keras's momentum is 1 - PyTorch's).

    Call shape: [B, ..., D] -> [B, ..., D], normalised in float32.

    A single replica trains through TensorFlow's fused kernel, which takes a fifth off the time of a
    small tower on a CPU. Several exchange mean and variance in one collective a call; Keras needs
    three for sums and sums of squares, and loses precision in their difference. A locked layer
    (`trainable` is False) uses its running statistics in training, too, and leaves them alone.

    Args:
        synchronized: whether statistics are those of the global batch, or of each replica.
        gamma: initialiser of the scale.
    """

    def __init__(self, *, synchronized: bool, name: str, gamma: str = "ones") -> None:
        super().__init__(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer=gamma,
            synchronized=synchronized,
            name=name,
        )

    def call(self, inputs: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        if not (training and self.trainable):
            return super().call(inputs, training=False, mask=mask)
        if self.synchronized and replicas.count() > 1:
            output, mean, variance = self._over_replicas(tf.cast(inputs, tf.float32))
        elif keeps_bfloat16(inputs.dtype.name, inputs.shape[-1]):
            output, mean, variance = self._fused(inputs)
        else:
            output, mean, variance = self._fused(tf.cast(inputs, tf.float32))
        self._update_average(self.moving_mean, mean)
        self._update_average(self.moving_variance, variance)
        return tf.cast(output, inputs.dtype)

    def _over_replicas(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """`x` normalised, and mean and biased variance [D]; replicas hold equally many values."""
        local = tf.stack(tf.nn.moments(x, list(range(x.shape.rank - 1))))
        means, variances = tf.unstack(replicas.stacked(local), axis=1)
        mean = tf.reduce_mean(means, 0)
        variance = tf.reduce_mean(variances + tf.square(means - mean), 0)
        output = tf.nn.batch_normalization(
            x, mean, variance, self.beta.value, self.gamma.value, self.epsilon
        )
        return output, mean, variance

    def _fused(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The same as `_over_replicas`, over the values of this replica."""
        shape = tf.shape(x)
        output, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(x, [shape[0], -1, 1, x.shape[-1]]),
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=tf.constant([], tf.float32),
            variance=tf.constant([], tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        # Keras averages biased variances, and so does `_over_replicas`.
        count = tf.cast(tf.reduce_prod(shape[:-1]), tf.float32)
        return tf.reshape(output, shape), mean, unbiased * (count - 1.0) / count

    def _update_average(self, average: keras.Variable, value: tf.Tensor) -> None:
        average.assign(self.momentum * average.value + (1.0 - self.momentum) * value)


def keeps_bfloat16(dtype: str, channels: int) -> bool:
    """Whether a layer that exchanges nothing leaves the casts of its input to TensorFlow's kernel.

    That takes half of the time; but with channels that are no multiple of 16, ten times as long.
    """
    return dtype == "bfloat16" and channels % 16 == 0


def batch_norms(layer: keras.layers.Layer) -> list[keras.layers.BatchNormalization]:
    """The batch norms among the layers of `layer`, itself included."""
    return [x for x in layer._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
