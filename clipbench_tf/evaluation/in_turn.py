"""Several workers take items in turn, and the results come in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_WAITING = 2  # items of each worker that are taken before their results are asked for


def in_turn(items: Iterable[Item], workers: Sequence[Callable[[Item], Result]]) -> Iterator[Result]:
    """Calls `workers` with `items`, number i % len(workers) with item i, each in its own thread.

    One worker is called in the thread of the caller. An error of a worker is raised in the place of
    its result, and ends all.

    Yields:
        The results, in the order of `items`.
    """
    if len(workers) == 1:
        yield from map(workers[0], items)
        return
    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in workers]
        waiting: deque[Future[Result]] = deque()
        for number, item in enumerate(items):
            turn = number % len(workers)
            waiting.append(threads[turn].submit(workers[turn], item))
            if len(waiting) >= _WAITING * len(workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
