"""serve.py as a process: its address, its end, and what it says if it cannot begin."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from clipbench_tf.serving import server
from tests.scripts import in_process
from tests.serving import models
from tests.serving.documented import client
from tests.training.runs import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.texts(tmp_path_factory.mktemp("models") / "texts")


@pytest.fixture
def start(folder):
    """Starts serve.py; returns the process and its address once it has printed `line`."""
    started = []

    def go(*flags, line="Ready"):
        process = subprocess.Popen(
            [sys.executable, "scripts/serve.py", f"--saved_model={folder}", "--port=0", *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
        )
        started.append(process)
        for said in process.stdout:
            if said.startswith(line):
                return process, re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        raise AssertionError(process.communicate())

    yield go
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_sigterm_answers_what_is_in_flight_and_ends_with_status_0(start):
    process, address = start("--batch_wait_ms=0")
    port = int(address.rsplit(":", 1)[1])
    assert client.predict(address, "texts", ["abc"])[0]["length"] == 6
    # Its body is not there yet when the signal comes.
    body = json.dumps({"instances": ["abcd"]}).encode()
    late = socket.create_connection(("127.0.0.1", port))
    host = "Host: localhost\r\n"
    head = f"POST /v1/models/texts:predict HTTP/1.1\r\n{host}Content-Length: {len(body)}\r\n"
    late.sendall(head.encode() + b"\r\n" + body[:5])
    idle = socket.create_connection(("127.0.0.1", port))
    busy = threading.Thread(target=_ask_until_closed, args=(address, answers := []))
    busy.start()
    while len(answers) < 20:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    busy.join(30)
    with pytest.raises(OSError):
        while True:  # until the port is closed
            socket.create_connection(("127.0.0.1", port)).close()
            time.sleep(0.01)
    late.sendall(body[5:])
    answer = late.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200") and b'"length":8' in answer
    assert idle.recv(10) == b""
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, ""), output
    assert all(one == [{"length": 4, "rows": 1}] for one in answers)


def _ask_until_closed(address: str, answers: list) -> None:
    """Asks again and again; a connection that is refused ends it, a broken answer would raise."""
    while True:
        try:
            answers.append(client.predict(address, "texts", ["ab"]))
        except (urllib.error.URLError, ConnectionError):
            return


def test_ctrl_c_while_it_loads_ends_it(start):
    process, address = start(line="Loading")
    status, answer = client.ask(address, "/healthz/live")
    assert (status, answer["live"]) == (200, True)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")


def test_a_port_in_use_is_one_line(folder):
    taken = server.listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    status, _, errors = in_process.run("serve.py", f"--saved_model={folder}", f"--port={port}")
    taken.close()
    assert status == 1
    assert errors.strip().count("\n") == 0 and f"127.0.0.1:{port}" in errors and "--port" in errors


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--saved_model=/nowhere/at/all"], "no folder"),
        (["--saved_model={folder}", "--host=not a host"], "not a host"),
        (["--saved_model={folder}", "--host=203.0.113.7"], "--host"),
        (["--saved_model={folder}", "also"], "no flag"),
    ],
)
def test_what_cannot_be_served_is_one_line(flags, said, folder):
    arguments = [flag.format(folder=folder) for flag in flags]
    status, _, errors = in_process.run("serve.py", *arguments)
    assert status == 1
    assert errors.strip().count("\n") == 0 and said in errors and "Traceback" not in errors


@pytest.mark.slow
def test_a_model_that_does_not_load_ends_the_server_with_one_line(start, tmp_path):
    broken = models.half_plus_three(tmp_path / "broken")
    (broken / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no records" * 10)
    process, _ = start(f"--saved_model={broken}", line="Loading")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1 and "Ready" not in output
    assert "warm-up requests" in errors and errors.strip().count("\n") == 0


def test_addresses_are_for_a_browser():
    for host, expected in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")):
        listening = server.listen(host, 0)
        assert server.url(listening) == f"http://{expected}:{listening.getsockname()[1]}"
        listening.close()
