"""Learning rate of section 4.1: linear warm-up, then cosine decay."""

import math

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("clipbench_tf")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to `peak` over `warmup_steps`, then half a cosine to 0 at `total_steps`.

    Step 0 is the first update and runs at `start`; step `warmup_steps` runs at `peak`.

    Raises:
        ValueError: if the warm-up is not shorter than the run.
    """

    def __init__(self, *, peak: float, start: float, warmup_steps: int, total_steps: int) -> None:
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                f"warmup_steps {warmup_steps} must be at least 0 and below the run's "
                f"{total_steps} steps; shorten the warm-up or train longer."
            )
        self.peak, self.start = peak, start
        self.warmup_steps, self.total_steps = warmup_steps, total_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        warm = self.start + (self.peak - self.start) * step / max(self.warmup_steps, 1)
        done = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        decay = 0.5 * self.peak * (1.0 + tf.cos(math.pi * tf.minimum(done, 1.0)))
        return tf.where(step < self.warmup_steps, warm, decay)

    def get_config(self) -> dict:
        return {
            "peak": self.peak,
            "start": self.start,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
        }
