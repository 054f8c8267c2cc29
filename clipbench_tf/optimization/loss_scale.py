"""The factor on a float16 loss that keeps small gradients from becoming zero."""

import keras
import tensorflow as tf

_START = 2.0**15
_GROWTH_STEPS = 2000  # consecutive, without an overflow, after which the factor doubles


class LossScale(keras.layers.Layer):
    """Dynamic loss scaling (Micikevicius et al. 2018), as Keras's `LossScaleOptimizer` has it.

    Keras's decides by each replica's own gradient, so that replicas diverge when one of them
    overflows; this one decides by the reduced gradient, which is the same on all.
    """

    def build(self) -> None:
        """Creates the factor and the number of steps since its last change."""
        start = keras.initializers.Constant(_START)
        self.factor = self.add_weight((), start, "float32", trainable=False, name="factor")
        self.good_steps = self.add_weight((), "zeros", "int32", trainable=False, name="good_steps")

    def update(self, finite: tf.Tensor) -> None:
        """Halves the factor if not `finite` (bool scalar), doubles it after many finite steps."""
        factor, good = self.factor.value, self.good_steps.value + 1
        grown = good >= _GROWTH_STEPS
        better = tf.where(grown, 2.0 * factor, factor)
        self.good_steps.assign(tf.where(finite & ~grown, good, 0))
        self.factor.assign(tf.where(finite, better, tf.maximum(0.5 * factor, 1.0)))
