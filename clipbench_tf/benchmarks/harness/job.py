"""The work of one side of a comparison, made by the function of its `Side`."""

import dataclasses
from collections.abc import Callable

Answer = str | list[float]  # what both sides must agree on: a digest, or numbers


@dataclasses.dataclass(frozen=True)
class Job:
    """Work that is ready to run: libraries are loaded, inputs in memory, nothing is computed yet.

    Attributes:
        run: does one repetition, which is timed; returns when its results exist.
        answer: does the same work once and returns what is compared; None to compare nothing.
    """

    run: Callable[[], object]
    answer: Callable[[], Answer] | None = None
