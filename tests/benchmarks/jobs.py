"""Jobs that compute next to nothing, run in processes of their own."""

import os

from clipbench_tf.benchmarks.harness.job import Job


def sum_of(values: list[float]) -> Job:
    return Job(
        lambda: sum(values), lambda: [float(sum(values)), float(len(os.sched_getaffinity(0)))]
    )


def hungry(megabytes: int) -> Job:
    return Job(lambda: bytearray(b"x") * (megabytes << 20))


def without_package() -> Job:
    import a_package_that_nobody_has  # type: ignore  # noqa: F401

    raise AssertionError


def failing() -> Job:
    raise ZeroDivisionError("as it should")


def dying() -> Job:
    return Job(lambda: os._exit(3))
