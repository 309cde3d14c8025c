"""Metrics: what a server counts for Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The metrics of one server, in a registry of their own.

    Args:
        waiting: Returns the number of items that wait for a thread.
        version: Returns the number of the version that is served.
    """

    def __init__(self, waiting: Callable[[], float], version: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        ProcessCollector(registry=own)
        PlatformCollector(registry=own)
        self._requests = Counter(
            "tfrec_zoo_requests", "Requests, by what they ask.", ("path", "status"), registry=own
        )
        self._seconds = Histogram(
            "tfrec_zoo_request_seconds",
            "Seconds from the head of a request to its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=own,
        )
        self._batch_rows = Histogram(
            "tfrec_zoo_batch_rows",
            "Rows that are answered at once.",
            buckets=_ROWS,
            registry=own,
        )
        self.open_requests = Gauge(
            "tfrec_zoo_open_requests", "Requests that are being read or answered.", registry=own
        )
        Gauge("tfrec_zoo_waiting", "Items that wait to be answered.", registry=own).set_function(
            waiting
        )
        Gauge("tfrec_zoo_model_version", "The version that is served.", registry=own).set_function(
            version
        )

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Counts an answer.

        Args:
            path: What was asked, one of few names.
            status: The status of the answer.
            seconds: How long it took.
        """
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, rows: int) -> None:
        """Counts a batch."""
        self._batch_rows.observe(rows)

    def text(self) -> bytes:
        """The metrics as Prometheus reads them."""
        return generate_latest(self._registry)
