"""Two CPU devices for every test, set before TensorFlow starts; the same seeds for each test."""

import functools
import gc
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from clipbench_tf import tensorflow_log

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of PyTorch, which is imported later
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job in the background ignores Ctrl-C, and so would the processes that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

with tensorflow_log.suppressed():
    import keras
    import numpy as np
    import pytest
    import tensorflow as tf

    from clipbench_tf.evaluation.scorers import Scorer
    from clipbench_tf.method import Method
    from tests.export import exports
    from tests.training import runs

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
keras.utils.set_random_seed(0)
# What tests compute is small: several threads for one operation mostly wait for each other.
tf.config.threading.set_intra_op_parallelism_threads(1)
# To rewrite a graph so that it is faster takes longer than a test runs it. The processes that tests
# start do.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


_BEGUN = time.monotonic()


def pytest_addoption(parser):
    parser.addoption(
        "--begin-within",
        type=float,
        metavar="SECONDS",
        help="skip what has not begun so many seconds after the start",
    )


def pytest_runtest_setup(item):
    limit = item.config.getoption("--begin-within")
    if limit is not None and time.monotonic() - _BEGUN > limit:
        pytest.skip("no time was left to begin it")


def pytest_collection_finish():
    """Tracing makes little garbage of many objects, so it is collected seldom: see `_collected`."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


def _resident() -> float:
    """Memory of this process in gigabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


_KEPT = [0.0]  # gigabytes that were left when garbage was collected last


@pytest.fixture(autouse=True)
def _collected():
    """Collects garbage, graphs above all, when this process has grown by a gigabyte."""
    yield
    if _resident() > _KEPT[0] + 1:
        gc.collect()
        _KEPT[0] = _resident()


@pytest.fixture(autouse=True)
def _fresh_state():
    """Every test starts from the same seed and in float32.

    Keras and the library draw their seeds from Python's. That of TensorFlow is left as it is: to
    set it makes TensorFlow forget the functions that are ready to run, those of models that tests
    share above all, and to make them ready again takes longer than most tests.
    """
    random.seed(0)
    np.random.seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.Strategy:
    """A strategy of two replicas in this process.

    One for all tests: a second one would give its collectives the keys of the first one's.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session")
def few_drawings(tmp_path_factory) -> tuple[str, ...]:
    """Bindings of a small data set, for runs by `tests.training.runs`."""
    return runs.write_data(tmp_path_factory.mktemp("few_drawings"))


@pytest.fixture(scope="session")
def tiny_export(tmp_path_factory) -> Callable[[Callable[[Method], Scorer]], exports.Exported]:
    """The export of the tiny method with the scorer that is given, to read."""
    return functools.cache(lambda scorer: exports.write(tmp_path_factory.mktemp("tiny"), scorer))


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are no part of a test's name: they may hold the time, and workers would differ."""
    return "bytes" if isinstance(val, bytes) else None
