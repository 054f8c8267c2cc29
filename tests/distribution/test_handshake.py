"""Workers find each other, or say on every side who is missing or differs."""

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clipbench_tf.distribution.cluster import Cluster, ClusterError
from clipbench_tf.distribution.handshake import meet, versions
from clipbench_tf.distribution.launcher import free_ports

CONFIG = "a = 1\nb = 2\n"
LONG = 30.0  # in which the machine certainly gets through; nothing waits for it
SHORT = 3.0  # for what has to run out


def addresses(count: int) -> tuple[str, ...]:
    return tuple(f"localhost:{port}" for port in free_ports(count))


def port_of(address: str) -> int:
    return int(address.split(":")[1])


def outcomes(*workers: dict, timeout: float = LONG) -> list[str]:
    """What each worker raised, "" for nothing; each thread holds one."""

    def one(worker: dict) -> str:
        given = {"config": CONFIG, "code": {"clipbench_tf": "1"}, "timeout": timeout} | worker
        try:
            meet(given.pop("cluster"), given.pop("config"), **given)
        except ClusterError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(one, workers))


def group(listed: tuple[str, ...], **differing: dict) -> list[dict]:
    """The workers of one cluster; `_2={"config": ...}` gives worker 2 something of its own."""
    return [
        {"cluster": Cluster(listed, n)} | differing.get(f"_{n}", {}) for n in range(len(listed))
    ]


@pytest.mark.parametrize("count", [2, 3])
def test_alike_workers_meet_and_leave_their_ports_free_for_the_next_time(count):
    listed = addresses(count)
    for _ in range(3):
        assert outcomes(*group(listed)) == [""] * count
    for address in listed:
        socket.create_server(("", port_of(address))).close()


def test_a_late_worker_is_waited_for():
    listed = addresses(2)
    timer = threading.Timer(1.0, lambda: late.append(outcomes({"cluster": Cluster(listed, 0)})))
    late: list = []
    timer.start()
    assert outcomes({"cluster": Cluster(listed, 1)}) == [""]
    timer.join()
    assert late == [[""]]


def test_another_configuration_is_shown_to_all():
    told = outcomes(*group(addresses(3), _2={"config": "a = 1\nb = 3\n"}))
    assert told[0] == told[1] == told[2]
    assert told[0].startswith("Worker 2 at localhost:")
    assert "has another configuration than worker 0" in told[0]
    assert "-b = 2\n+b = 3" in told[0]
    assert "a = 1" not in told[0]


def test_every_worker_that_differs_is_named():
    other = {"config": "c = 1"}
    [line, *_] = told = outcomes(*group(addresses(3), _1=other, _2=other))
    assert len(set(told)) == 1
    assert line.count("has another configuration") == 2


def test_other_code_is_named():
    told = outcomes(*group(addresses(2), _1={"code": {"clipbench_tf": "1", "keras": "3.1"}}))
    assert told[0] == told[1]
    assert "runs other versions than worker 0: keras 3.1 instead of None" in told[0]


def test_the_versions_of_this_process():
    found = versions()
    assert {"clipbench_tf", "tensorflow", "keras", "git commit"} <= set(found)
    json.dumps(found)


def test_another_number_of_workers():
    listed = addresses(2)
    told = outcomes(
        {"cluster": Cluster(listed, 0)}, {"cluster": Cluster((*listed, "localhost:9"), 1)}
    )
    assert told[0] == told[1]
    assert "counts 3 workers, worker 0 counts 2" in told[0]


def test_other_addresses():
    listed = addresses(3)
    swapped = (f"127.0.0.1:{port_of(listed[0])}", *listed[1:])
    told = outcomes(*group(listed, _1={"cluster": Cluster(swapped, 1)}))
    assert len(set(told)) == 1
    assert f"has worker 0 at {swapped[0]}, worker 0 has it at {listed[0]}" in told[0]


def test_swapped_indices():
    listed = addresses(3)
    swapped = (listed[0], listed[2], listed[1])
    told = outcomes(
        {"cluster": Cluster(listed, 0)},
        {"cluster": Cluster(swapped, 1)},
        {"cluster": Cluster(swapped, 2)},
    )
    assert len(set(told)) == 1
    assert "Worker 2 answers where worker 1 should" in told[0]


def test_the_same_index_twice_on_one_machine_is_an_immediate_error():
    listed = addresses(2)
    with socket.create_server(("", port_of(listed[1]))):
        [error] = outcomes({"cluster": Cluster(listed, 1)})
    assert "the port is in use, perhaps by another process with the index 1" in error
    assert listed[1] in error


def test_a_second_worker_0_elsewhere():
    listed = addresses(2)
    elsewhere = f"localhost:{free_ports(1)[0]}"

    class Elsewhere(Cluster):
        @property
        def address(self):
            return elsewhere  # listens on another machine, as it were

    # Worker 1 is not yet there, hence both call on.
    told = outcomes(
        {"cluster": Cluster(listed, 0), "timeout": SHORT}, {"cluster": Elsewhere(listed, 0)}
    )
    assert "nothing listens there" in told[0]
    assert f"Another process with index 0 answers at {listed[0]}" in told[1]


def test_a_worker_that_nobody_calls():
    listed = addresses(2)
    [error] = outcomes({"cluster": Cluster(listed, 1)}, timeout=SHORT)
    assert f"Worker 0 at {listed[0]} did not reach worker 1 at {listed[1]}" in error
    assert "no other process has the index 1" in error


def test_a_missing_worker_is_named_to_all_others():
    listed = addresses(3)
    told = outcomes(*group(listed)[:2], timeout=SHORT)
    assert told[0] == told[1]
    assert f"1 of 3 workers did not answer worker 0 within 3 s: worker 2 at {listed[2]}" in told[0]
    assert "nothing listens there" in told[0]


def test_a_host_name_that_does_not_exist():
    listed = (*addresses(2), "no-such-host.invalid:2222")
    told = outcomes(*group(listed)[:2], timeout=SHORT)
    assert told[0] == told[1]
    assert "worker 2 at no-such-host.invalid:2222 (the host name cannot be resolved)" in told[0]


def test_an_impatient_worker_still_hears_who_is_missing():
    told = outcomes(
        {"cluster": Cluster(listed := addresses(3), 0)},
        {"cluster": Cluster(listed, 1), "timeout": SHORT},
    )
    assert told[0] == told[1]
    assert f"worker 2 at {listed[2]} (nothing listens there)" in told[0]


def test_something_else_that_answers_at_an_address():
    listed = addresses(2)
    with socket.create_server(("localhost", port_of(listed[1]))) as server:

        def greet():
            while True:
                try:
                    with server.accept()[0] as connection:
                        connection.sendall(b"SSH-2.0-OpenSSH\r\n")
                except OSError:
                    return

        threading.Thread(target=greet, daemon=True).start()
        [error] = outcomes({"cluster": Cluster(listed, 0)}, timeout=SHORT)
        server.shutdown(socket.SHUT_RDWR)
    assert "another program answers there: b'SSH-2.0-OpenSSH\\r\\n'" in error


@pytest.mark.parametrize("garbage", [b"", b"GET / HTTP/1.1\r\n\r\n", b'{"magic": 1}\n', b"{" * 99])
def test_strangers_are_not_minded(garbage):
    listed, told = addresses(2), []
    waiting = threading.Thread(
        target=lambda: told.extend(outcomes({"cluster": Cluster(listed, 1)}))
    )
    waiting.start()
    while True:
        with contextlib.suppress(ConnectionRefusedError):  # it does not listen yet
            connection = socket.create_connection(("localhost", port_of(listed[1])))
            break
        time.sleep(0.05)
    with connection:
        connection.sendall(garbage)  # and says no more
        told += outcomes({"cluster": Cluster(listed, 0)})
        waiting.join()
    assert told == ["", ""]
