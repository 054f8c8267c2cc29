"""AdamW in one pass over memory (Loshchilov and Hutter 2019)."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf


class FusedAdamW(keras.optimizers.AdamW):
    """Keras's AdamW, computed by TensorFlow's fused Adam kernel.

    Results equal Keras's for dense gradients. A sparse gradient is made dense first; Keras would
    square the parts of a row that occurs twice, not their sum. The kernel reads and writes every
    variable and both moments once, Keras about ten times: half of the time on a CPU. Decay
    multiplies by 1 - rate * decay, as PyTorch's does, which float32 rounds to a multiple of 2^-24.

    Gradients must be those of the global batch: clipping acts on them, and every replica updates
    its own copies without communication.
    """

    _rates: Mapping[str, float] | None = None

    def scale_learning_rates(self, rates: Mapping[str, float]) -> None:
        """Multiplies the learning rate of the variables of some paths, their decay included.

        Args:
            rates: the factor by path; those that are missing have 1.
        """
        self._rates = rates

    def apply(
        self,
        grads: Sequence[tf.Tensor | None],
        trainable_variables: Sequence[keras.Variable] | None = None,
    ) -> None:
        """Updates `trainable_variables` by `grads`, summed over replicas, and counts the step."""
        variables = trainable_variables or self._trainable_variables
        pairs = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        gradients = self._clip_gradients([tf.convert_to_tensor(g) for g, _ in pairs])
        learning_rate = self.learning_rate
        for gradient, (_, variable) in zip(gradients, pairs, strict=True):
            self.update_step(gradient, variable, learning_rate)
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        # Not `assign_add`, which aggregates over replicas: each increments its own copy.
        tf.raw_ops.AssignAddVariableOp(
            resource=self._iterations.value.handle,
            value=tf.ones([], self._iterations.value.dtype),
        )

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Decays `variable`, and updates it and its two moments by `gradient` of the same shape."""
        index = self._get_variable_index(variable)
        dtype = variable.dtype  # the kernel aborts the process if a dtype differs
        rate = tf.cast(learning_rate, dtype)
        if self._rates:
            rate *= self._rates.get(variable.path, 1.0)
        if self._use_weight_decay(variable):
            variable.assign(variable.value * (1.0 - rate * tf.cast(self.weight_decay, dtype)))
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        step = tf.cast(self._iterations.value + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )
