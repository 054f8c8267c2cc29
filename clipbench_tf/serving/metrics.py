"""Counts for Prometheus: requests, their duration, batches, the queue."""

import functools
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from clipbench_tf.serving.served_model import ServedModel

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of `served`, in a registry of their own."""

    def __init__(self, served: ServedModel) -> None:
        self._registry = CollectorRegistry()
        labels = ("signature", "status")
        self._requests = Counter(
            "clipbench_requests", "Predict requests answered.", labels, registry=self._registry
        )
        self._seconds = self._histogram(
            "clipbench_request_seconds", "From a request to its answer.", _SECONDS
        )
        self._rows = self._histogram("clipbench_batch_rows", "Rows of a call of the model.", _ROWS)
        self._gauge("clipbench_queue_requests", "Requests that wait.", lambda: served.waiting)
        self._gauge(
            "clipbench_ready", "Whether the model answers.", lambda: served.state == "ready"
        )
        self._known = set(served.signatures)
        served.ran = self.ran
        # To look them up by their labels takes longer than to count.
        self._of = functools.cache(
            lambda name, status: (self._requests.labels(name, status), self._seconds.labels(name))
        )

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, text, ["signature"], buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=self._registry).set_function(value)

    def answered(self, signature: str, status: int, seconds: float) -> None:
        """Counts a request; an unknown signature counts as ""."""
        name = signature if signature in self._known else ""
        requests, durations = self._of(name, status)
        requests.inc()
        durations.observe(seconds)

    def ran(self, signature: str, rows: int) -> None:
        """Counts a call of the model."""
        self._rows.labels(signature).observe(rows)

    def page(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
