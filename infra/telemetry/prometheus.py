"""Metrics for Prometheus, which fetches them from a port of their own."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from app.telemetry import Metric, Shape


class PrometheusSink:
    """Implement `app.telemetry.Sink` in a registry of its own."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made = {metric.name: _made(metric, self.registry) for metric in metrics}

    def record(self, metric: Metric, value: float | None, labels: Mapping[str, str]) -> None:
        made = self._made[metric.name]
        if value is None:
            with suppress(KeyError):
                made.remove_by_labels(dict(labels))
            return
        one = made.labels(**labels) if labels else made
        match one:
            case Counter():
                one.inc(value)
            case Gauge():
                one.set(value)
            case Histogram():
                one.observe(value)

    def flush(self, seconds: float) -> None:
        """Do nothing: what is here is fetched."""


def _made(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    match metric.shape:
        case Shape.COUNTER:
            return Counter(metric.name, metric.meaning, metric.labels, registry=registry)
        case Shape.GAUGE:
            return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)
        case Shape.HISTOGRAM:
            return Histogram(metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets)


@contextmanager
def served(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """Let the registry be fetched as long as the context lasts, from the port that is given; raises OSError."""
    server, thread = start_http_server(port, host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
