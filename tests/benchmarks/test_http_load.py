"""The load generator, against a server of the standard library."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clipbench_tf.benchmarks.harness import http_load


class _Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: list[bytes] = []  # noqa: RUF012
    clients: set = set()  # noqa: RUF012

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(body)
        self.clients.add(self.client_address)
        answer = b"x" * 500_000 if body == b"large" else b"{}"
        self.send_response(503 if body == b"busy" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    _Counting.bodies.clear()
    _Counting.clients.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_each_request_is_sent_in_turn_and_each_answer_is_counted(port):
    bodies = [b"one", b"busy", b"large", b"four"]
    requests = [http_load.post("/any", body) for body in bodies]
    load = http_load.ask(port, requests, clients=3, count=40)
    assert len(load.latencies) == 40 and all(0 < one <= load.seconds for one in load.latencies)
    assert load.statuses == {200: 30, 503: 10}
    assert sorted(_Counting.bodies) == sorted(bodies * 10)
    assert len(_Counting.clients) == 3


def test_fewer_requests_than_clients(port):
    load = http_load.ask(port, [http_load.post("/any", b"a")], clients=8, count=2)
    assert len(load.latencies) == 2 and len(_Counting.clients) == 2


def test_after_the_seconds_every_request_is_still_answered(port):
    load = http_load.ask(port, [http_load.post("/any", b"a")], clients=4, seconds=0.05)
    assert len(load.latencies) == len(_Counting.bodies) >= 4
    assert load.seconds >= 0.05


def test_a_server_that_closes_is_an_error():
    def close(self):
        self.close_connection = True

    handler = type("Closing", (_Counting,), {"do_POST": close})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(ConnectionError):
        http_load.ask(server.server_port, [http_load.post("/", b"a")], clients=1, count=1)
    server.shutdown()
    server.server_close()
