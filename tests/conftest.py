"""Two CPU devices for every test, set before TensorFlow starts; the same seeds for each test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(autouse=True)
def _fresh_state():
    """Every test starts from the same seed and in float32."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.Strategy:
    """A strategy of two replicas in this process.

    One for all tests: a second one would give its collectives the keys of the first one's.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
