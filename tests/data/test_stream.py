"""The order in which records come, and that it is the same from any position on."""

import sys
import threading
from collections import Counter, deque

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.tfrecords import TFRecordReader
from clipbench_tf.data.stream import iterated, records, shuffled_stream
from tests.data.numbered import numbers, shards, stream


@pytest.mark.parametrize("counts", [(23,), (7, 9, 1, 6)])
@pytest.mark.parametrize("buffer", [1, 4, 100])
def test_each_epoch_has_each_record_once_in_an_order_of_its_own(counts, buffer, tmp_path):
    pairs = stream(shards(tmp_path, *counts), 3 * 23, buffer=buffer)
    assert [position for position, _ in pairs] == list(range(3 * 23))
    epochs = [numbers(pairs[i : i + 23]) for i in (0, 23, 46)]
    for epoch in epochs:
        assert Counter(epoch) == Counter(range(23))
    if buffer > 1:
        assert len({tuple(epoch) for epoch in epochs}) == 3


def test_order_depends_on_the_seed_and_on_nothing_else(tmp_path):
    split = shards(tmp_path, 7, 9, 7)
    once = stream(split, 30, seed=5)
    tf.random.set_seed(99)
    assert stream(split, 30, seed=5) == once
    assert numbers(stream(split, 30, seed=6)) != numbers(once)


@pytest.fixture(scope="module")
def of_four_files(tmp_path_factory) -> TFRecordReader:
    return shards(tmp_path_factory.mktemp("four"), 7, 9, 1, 6)


MIXED = {"buffer": 12}


@pytest.fixture(scope="module")
def whole(of_four_files) -> list[tuple[int, int]]:
    return stream(of_four_files, 80, **MIXED)


@pytest.mark.parametrize("start", [1, 10, 22, 23, 24, 45, 46, 50])
def test_a_stream_begun_later_is_the_rest_of_one_begun_at_the_start(start, of_four_files, whole):
    rest = stream(of_four_files, 30, start=start, **MIXED)
    assert [position for position, _ in rest] == list(range(start, start + 30))
    assert rest == whole[start : start + 30]


def test_a_stream_begun_too_far_to_walk_to_is_the_rest_of_its_epoch(of_four_files):
    start = 23_000_000_017
    rest = stream(of_four_files, 30, start=start, **MIXED)
    assert [position for position, _ in rest] == list(range(start, start + 30))
    assert rest == stream(of_four_files, 47, start=start - start % 23, **MIXED)[start % 23 :]


def test_a_buffer_mixes_files_and_positions(tmp_path):
    order = np.array(numbers(stream(shards(tmp_path, 300, 300), 600, buffer=1000)))
    # Rank correlation of a random order lies within 4.5 / sqrt(600) of 0.
    assert abs(np.corrcoef(order, np.arange(600))[0, 1]) < 0.184
    firsts = numbers(stream(shards(tmp_path, 30, 30), 20 * 60, buffer=1000))[::60]
    assert len(set(firsts)) > 10
    assert 0 < sum(first < 30 for first in firsts) < 20


def test_more_workers_than_records_are_refused(tmp_path):
    split = shards(tmp_path, 3)
    assert numbers(stream(split, 2, worker=4, workers=5))
    with pytest.raises(DatasetError, match="3 records are too few for 5 workers"):
        stream(split, 1, worker=0, workers=5)


@pytest.mark.parametrize("ordered", [False, True])
def test_what_ends_a_stream_is_told(ordered, tmp_path):
    split, told = shards(tmp_path, 3), []
    assert split.counts == (3,)
    (tmp_path / "0.tfrecord").unlink()
    data = (
        records(split, failed=told.append)
        if ordered
        else shuffled_stream(split, seed=0, failed=told.append)
    )
    with pytest.raises(tf.errors.OpError):
        next(iter(data))
    assert isinstance(told[0], FileNotFoundError)


@pytest.mark.parametrize("start", [0, 1, 6, 7, 16, 17, 22, 23])
def test_one_pass_begins_at_any_record_and_reads_none_before_it(start, of_four_files, monkeypatch):
    read, first_read = of_four_files.read, []

    def watched(part: int, first: int, count: int) -> list[bytes]:
        first_read.append((part, first))
        return read(part, first, count)

    monkeypatch.setattr(of_four_files, "read", watched)
    rest = [int(record) for record in records(of_four_files, start=start).as_numpy_iterator()]
    assert rest == list(range(start, 23))
    place = {0: (0, 0), 1: (0, 1), 6: (0, 6), 7: (1, 0), 16: (2, 0), 17: (3, 0), 22: (3, 5)}
    assert min(first_read, default=None) == place.get(start)


def test_a_pass_that_is_stopped_ends_and_reads_no_further_block(of_four_files):
    asked = iter([False, *[True] * 3])
    lock = threading.Lock()

    def stopped() -> bool:
        with lock:
            return next(asked)

    found = [int(record) for record in records(of_four_files, stopped=stopped).as_numpy_iterator()]
    assert found in [list(range(a, b)) for a, b in ((0, 7), (7, 16), (16, 17), (17, 23))]


def test_a_pass_that_is_given_up_comes_to_its_end_and_reads_no_further(tmp_path, monkeypatch):
    reader = shards(tmp_path, *[3] * 100)
    stop, read, whole = threading.Event(), [], reader.read

    def counted(part: int, first: int, count: int) -> list[bytes]:
        read.append(count)
        return whole(part, first, count)

    monkeypatch.setattr(reader, "read", counted)
    with pytest.raises(KeyError):  # noqa: SIM117  what is raised within must not be swallowed
        with iterated(records(reader, stopped=stop.is_set).batch(10), stop) as left:
            next(left)
            raise KeyError
    assert stop.is_set()
    assert next(left, None) is None
    assert 10 <= sum(read) < reader.examples


@pytest.mark.slow
def test_the_end_of_a_pass_fails_no_operation_of_another_thread():
    failed, over = [], threading.Event()

    def work():
        with tf.device("CPU:1"):
            while not over.is_set():
                try:
                    tf.strings.length(tf.constant([b"abc"]))
                except tf.errors.OpError as error:
                    failed.append(error)

    worker = threading.Thread(target=work)
    batches, never = tf.data.Dataset.range(1), threading.Event()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)  # so that 3,000 passes were enough each time to see it
    worker.start()
    try:
        for _ in range(3000):
            with iterated(batches, never) as left:
                deque(left, maxlen=0)
    finally:
        over.set()
        worker.join()
        sys.setswitchinterval(usual)
    assert not failed
