"""The work of one side of a comparison, made by the function of its `Side`."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
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


def of_each(
    one: Callable[[Item], Result],
    items: Sequence[Item],
    count: int,
    answer: Callable[[list[Result]], Answer],
) -> Job:
    """Does `one` to `count` of the `items`, over and over; compares `answer` of all results."""

    def run() -> None:
        for item in itertools.islice(itertools.cycle(items), count):
            one(item)

    return Job(run, lambda: answer([one(item) for item in items]))
