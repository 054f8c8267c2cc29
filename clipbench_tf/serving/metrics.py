"""Counts for Prometheus: requests, their duration, batches, the queue."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from clipbench_tf.serving.served_model import ServedModel

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of `served`, in a registry of their own."""

    def __init__(self, served: ServedModel) -> None:
        self._registry = CollectorRegistry()
        given = {"registry": self._registry, "namespace": "clipbench"}
        labels = ["signature", "status"]
        self._requests = Counter("requests", "Predict requests answered.", labels, **given)
        self._seconds = Histogram(
            "request_seconds",
            "From the request to its answer.",
            labels[:1],
            buckets=_SECONDS,
            **given,
        )
        self._rows = Histogram(
            "batch_rows", "Rows of a call of the model.", labels[:1], buckets=_ROWS, **given
        )
        waiting = Gauge("queue_requests", "Requests that wait for the model.", **given)
        waiting.set_function(lambda: served.waiting)
        ready = Gauge("ready", "Whether the model answers.", **given)
        ready.set_function(lambda: served.state == "ready")
        self._known = set(served.signatures)
        served.ran = self.ran

    def answered(self, signature: str, status: int, seconds: float) -> None:
        """Counts a request; an unknown signature counts as ""."""
        name = signature if signature in self._known else ""
        self._requests.labels(name, status).inc()
        self._seconds.labels(name).observe(seconds)

    def ran(self, signature: str, rows: int) -> None:
        """Counts a call of the model."""
        self._rows.labels(signature).observe(rows)

    def page(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
