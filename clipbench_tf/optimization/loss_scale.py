"""The factor on a float16 loss that keeps small gradients from becoming zero."""

import keras
import tensorflow as tf

_START = 2.0**15
_GROWTH_STEPS = 2000  # without an overflow, until the factor is doubled


class LossScale(keras.layers.Layer):
    """Dynamic loss scaling (Micikevicius et al. 2018), as Keras's `LossScaleOptimizer` has it.

    That one looks at each replica's own gradient, so that a replica with an overflow goes another
    way than the others; this one is told what all replicas found together.
    """

    def build(self) -> None:
        """Creates the factor and the number of steps since its last change."""
        start = keras.initializers.Constant(_START)
        self.factor = self.add_weight((), start, "float32", trainable=False, name="factor")
        self.good_steps = self.add_weight((), "zeros", "int32", trainable=False, name="good_steps")

    def update(self, finite: tf.Tensor) -> None:
        """Halves the factor after a step with an overflow, doubles it after many without."""
        factor, good = self.factor.value, self.good_steps.value + 1
        grown = good >= _GROWTH_STEPS
        better = tf.where(grown, 2.0 * factor, factor)
        self.good_steps.assign(tf.where(finite & ~grown, good, 0))
        self.factor.assign(tf.where(finite, better, tf.maximum(0.5 * factor, 1.0)))
