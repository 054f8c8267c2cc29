"""What must be set before the first layer exists: seeds, precision, strategy."""

import keras
import tensorflow as tf

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def prepare(*, precision: str = "float32", seed: int = 0) -> tf.distribute.Strategy:
    """Sets the random seed (weights) and the Keras precision policy; returns the strategy.

    Args:
        precision: one of `PRECISIONS`; objectives compute in float32 under all of them.
        seed: of the initial weights.

    Raises:
        ValueError: for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}.")
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    return tf.distribute.get_strategy()
