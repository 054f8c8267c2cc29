"""What one side of a comparison does, as a function that `contender.Contender` builds."""

import dataclasses
from collections.abc import Callable

Answer = str | list[float]  # what both sides must agree on: a digest, or numbers


@dataclasses.dataclass(frozen=True)
class Job:
    """Ready to run: libraries loaded, inputs in memory, nothing of this size computed yet.

    Attributes:
        run: one repetition, which is what is timed; returns when its results are there.
        answer: the same work once, and what is to be compared of it.
    """

    run: Callable[[], object]
    answer: Callable[[], Answer] | None = None
