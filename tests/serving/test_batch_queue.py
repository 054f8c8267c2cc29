"""What is joined to what, and what happens to the requests that it goes wrong for."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import pytest

from clipbench_tf.serving.batch_queue import BatchQueue, Waiting
from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.limits import Limits


class Model:
    """Doubles numbers; keeps the sizes of its batches, and waits at a gate if there is one."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.gate.set()

    def __call__(self, signature, inputs):
        self.entered.set()
        assert self.gate.wait(30)
        x = inputs["x"]
        self.batches.append(x.tolist())
        if -1 in x:
            raise ValueError("minus one")
        if signature == "total":
            return {"y": np.array([x.sum()])}
        return {"y": 2 * x, "size": np.full(len(x), len(x))}


class Outside:
    """A queue as other threads see it, whose requests wait in the event loop `loop`."""

    def __init__(self, queue: BatchQueue, loop: asyncio.AbstractEventLoop) -> None:
        self.queue, self._loop = queue, loop

    def put(self, request: Callable[[], Waiting]) -> Future:
        async def placed():
            return self.queue.put(request())

        async def answer():
            return await future

        future = self.within(placed())
        return asyncio.run_coroutine_threadsafe(answer(), self._loop)

    def within(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def queue_of(model, loop):
    """Makes queues of `model`, and closes them."""
    made = []

    def make(**limits) -> Outside:
        made.append(BatchQueue(model, Limits(**({"threads": 1} | limits)), lambda name, rows: None))
        return Outside(made[-1], loop)

    yield make
    model.gate.set()
    for queue in made:
        queue.close()


def asked(*x, signature="double", joined="x", together="same") -> Callable[[], Waiting]:
    return lambda: Waiting(signature, {"x": np.array(x)}, joined, together, len(x))


def behind_a_slow_one(model, queue, *requests):
    """The futures of `requests`, put while the model is busy with another; then it goes on."""
    model.gate.clear()
    model.entered.clear()
    first = queue.put(asked(1000, together="slow"))
    assert model.entered.wait(30)
    futures = [queue.put(one) for one in requests]
    model.gate.set()
    first.result(30)
    return futures


def test_requests_that_wait_are_joined_and_each_gets_its_rows(model, queue_of):
    futures = behind_a_slow_one(model, queue_of(), asked(1, 2), asked(3), asked(4, 5, 6))
    answers = [one.result(30) for one in futures]
    assert [one["y"].tolist() for one in answers] == [[2, 4], [6], [8, 10, 12]]
    assert [one["size"].tolist() for one in answers] == [[6, 6], [6], [6, 6, 6]]
    assert model.batches == [[1000], [1, 2, 3, 4, 5, 6]]


def test_what_differs_beside_the_rows_is_not_joined_and_order_is_kept(model, queue_of):
    requests = [
        asked(1, together="a"),
        asked(2, together="b"),
        asked(3, together="a"),
        asked(4, together="b"),
        asked(5, joined=None),
        asked(6, joined=None),
    ]
    futures = behind_a_slow_one(model, queue_of(), *requests)
    assert [one.result(30)["y"].tolist() for one in futures] == [[2 * n] for n in range(1, 7)]
    assert model.batches == [[1000], [1, 3], [2, 4], [5], [6]]


def test_a_batch_has_no_more_rows_than_allowed(model, queue_of):
    requests = [asked(n) for n in range(7)] + [asked(*range(9))]
    futures = behind_a_slow_one(model, queue_of(batch_rows=3), *requests)
    assert [len(one.result(30)["y"]) for one in futures] == [1] * 7 + [9]
    assert [len(batch) for batch in model.batches] == [1, 3, 3, 1, 9]


def test_one_row_a_batch_joins_nothing(model, queue_of):
    futures = behind_a_slow_one(model, queue_of(batch_rows=1), *(asked(n) for n in range(4)))
    assert [one.result(30)["size"].tolist() for one in futures] == [[1]] * 4


def test_a_request_that_fails_fails_alone(model, queue_of):
    futures = behind_a_slow_one(model, queue_of(), asked(1), asked(-1), asked(3))
    assert futures[0].result(30)["y"].tolist() == [2]
    assert futures[2].result(30)["y"].tolist() == [6]
    with pytest.raises(ValueError, match="minus one"):
        futures[1].result(30)
    assert model.batches[1:] == [[1, -1, 3], [1], [-1], [3]]


def test_outputs_without_rows_are_computed_for_each_alone(model, queue_of):
    requests = [asked(1, 2, signature="total"), asked(3, signature="total")]
    futures = behind_a_slow_one(model, queue_of(), *requests)
    assert [one.result(30)["y"].tolist() for one in futures] == [[3], [3]]


def test_a_full_queue_refuses_and_says_when_to_come_again(model, queue_of):
    queue = queue_of(queue=3)
    model.gate.clear()
    first = queue.put(asked(0))
    assert model.entered.wait(30)
    futures = [queue.put(asked(n)) for n in (1, 2, 3)]
    with pytest.raises(RequestError, match="3 requests wait") as refused:
        queue.put(asked(4))
    assert refused.value.status == 503
    assert int(refused.value.headers["Retry-After"]) >= 1
    assert len(queue.queue) == 3
    model.gate.set()
    assert [one.result(30)["y"].tolist() for one in (first, *futures)] == [[0], [2], [4], [6]]


def test_a_request_that_was_given_up_is_not_computed(model, queue_of):
    queue = queue_of()
    model.gate.clear()
    first = queue.put(asked(0))
    assert model.entered.wait(30)
    given_up, kept = queue.put(asked(1)), queue.put(asked(2))
    assert given_up.cancel()
    queue.within(asyncio.sleep(0))  # the loop has heard of it
    model.gate.set()
    assert kept.result(30)["y"].tolist() == [4] and first.result(30)["y"].tolist() == [0]
    assert model.batches == [[0], [2]]


def test_a_request_waits_for_as_many_as_came_last_time(model, queue_of):
    queue = queue_of(batch_wait=20.0)
    for future in behind_a_slow_one(model, queue, asked(1), asked(2)):
        future.result(30)
    futures = [queue.put(asked(3))]  # two came last time: it waits
    assert not futures[0].done()
    futures.append(queue.put(asked(4)))
    assert [one.result(10)["y"].tolist() for one in futures] == [[6], [8]]
    assert model.batches[-1] == [3, 4]


def test_it_does_not_wait_longer_than_allowed(model, queue_of):
    queue = queue_of(batch_wait=0.01)
    for future in behind_a_slow_one(model, queue, asked(1), asked(2)):
        future.result(30)
    assert queue.put(asked(3)).result(30)["y"].tolist() == [6]
    assert queue.put(asked(4)).result(30)["y"].tolist() == [8]
    assert model.batches[-2:] == [[3], [4]]


def test_closing_answers_what_waits_and_refuses_the_rest(model, queue_of):
    queue = queue_of()
    model.gate.clear()
    first = queue.put(asked(0))
    assert model.entered.wait(30)
    futures = [queue.put(asked(n)) for n in (1, 2)]
    closing = threading.Thread(target=queue.queue.close)
    closing.start()
    while True:
        try:
            futures.append(queue.put(asked(3)))
        except RequestError as error:
            assert error.status == 503
            break
    model.gate.set()
    closing.join(30)
    assert not closing.is_alive()
    assert [one.result(30)["y"].tolist() for one in (first, *futures)] == [[0], [2], [4]]


def test_without_joining_each_thread_calls_the_model(model, queue_of):
    queue = queue_of(threads=2, batch_rows=1)
    both = threading.Barrier(2)
    queue.queue._run = lambda signature, inputs: {"y": np.array([both.wait(30)])}
    futures = [queue.put(asked(n)) for n in range(2)]
    assert sorted(one.result(30)["y"].item() for one in futures) == [0, 1]


def test_another_signature_does_not_wait_and_the_same_one_is_joined_meanwhile(model, queue_of):
    queue = queue_of(threads=2)
    gate, entered, batches = threading.Event(), threading.Event(), []

    def run(signature, inputs):
        batches.append((signature, inputs["x"].tolist()))
        if signature == "slow":
            entered.set()
            assert gate.wait(30)
        return {"y": inputs["x"]}

    queue.queue._run = run
    slow = [queue.put(asked(0, signature="slow"))]
    assert entered.wait(30)
    slow += [queue.put(asked(n, signature="slow")) for n in (1, 2)]
    alone = asked(7, signature="slow", joined=None)
    quick = queue.put(asked(5, signature="quick", together="other"))
    assert quick.result(30)["y"].tolist() == [5]
    assert not any(one.done() for one in slow)
    gate.set()
    assert [one.result(30)["y"].tolist() for one in slow] == [[0], [1], [2]]
    assert queue.put(alone).result(30)["y"].tolist() == [7]
    assert batches == [("slow", [0]), ("quick", [5]), ("slow", [1, 2]), ("slow", [7])]


def test_a_batch_that_is_complete_does_not_wait_behind_one_that_is_not(model, queue_of):
    queue = queue_of(batch_wait=20.0)
    for future in behind_a_slow_one(model, queue, asked(1), asked(2)):
        future.result(30)
    first = queue.put(asked(3))  # two came last time: it waits
    quick = queue.put(asked(5, signature="quick", together="other"))
    assert quick.result(10)["y"].tolist() == [10]
    assert not first.done()
    assert queue.put(asked(4)).result(10)["y"].tolist() == [8]
    assert first.result(10)["y"].tolist() == [6]


def test_the_event_loop_is_woken_once_for_a_batch(model, queue_of, loop, monkeypatch):
    queue, woken = queue_of(), []
    wake = loop.call_soon_threadsafe

    def noted(callback, *arguments):
        if threading.current_thread().name.startswith("model-"):
            woken.append(len(arguments[0]))
        return wake(callback, *arguments)

    monkeypatch.setattr(loop, "call_soon_threadsafe", noted)
    for future in behind_a_slow_one(model, queue, *(asked(n) for n in range(9))):
        future.result(30)
    assert woken == [1, 9]


def test_an_event_loop_that_is_closed_does_not_stop_the_others(model, queue_of):
    queue = queue_of()
    model.gate.clear()

    async def leaves():
        queue.queue.put(asked(7)())

    asyncio.run(leaves())
    assert model.entered.wait(30)
    model.gate.set()
    assert queue.put(asked(1)).result(30)["y"].tolist() == [2]
