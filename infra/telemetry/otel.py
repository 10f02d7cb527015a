"""Traces and metrics by OTLP over HTTP, as the standard variables `OTEL_*` say."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.telemetry import Metric, Shape, Word

SCOPE = "orch"
WEBHOOK = "webhook"
PROPAGATOR = TraceContextTextMapPropagator()
logging.getLogger("opentelemetry.exporter").setLevel("ERROR")
"""What is given up is told; that something is tried again would fill the log while a collector is away."""


def resource(process: str) -> Resource:
    """Name this process: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` count before what Orch says."""
    given = Resource.create()
    ours = {"orch.process": process, "service.instance.id": str(uuid4())}
    if str(given.attributes.get("service.name", "")).startswith("unknown_service"):
        given = given.merge(Resource({"service.name": SCOPE}))
    return Resource(ours).merge(given)


class OtelSpan:
    """Implement `app.telemetry.Span`."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def names(self) -> Mapping[str, str]:
        return {"trace": format(self._span.get_span_context().trace_id, "032x")}

    def note(self, **words: Word) -> None:
        self._span.set_attributes(_named(words))


class OtelTracer:
    """Implement `app.telemetry.Tracer`."""

    def __init__(self, named: Resource) -> None:
        self._flushing = _Patience()
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SCOPE)

    @contextmanager
    def span(self, name: str, trace: str | None, words: Mapping[str, Word]) -> Iterator[OtelSpan]:
        """Trace what the context does; of an error that ends it the kind is told, never the text."""
        with self._tracer.start_as_current_span(
            name,
            context=PROPAGATOR.extract({"traceparent": trace}) if trace else None,
            kind=SpanKind.CONSUMER if trace else SpanKind.SERVER if name == WEBHOOK else SpanKind.INTERNAL,
            attributes=_named(words),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield OtelSpan(span)
            except BaseException as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    def carried(self) -> str | None:
        carrier: dict[str, str] = {}
        PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    def flush(self, seconds: float) -> None:
        self._flushing(seconds, self._provider.force_flush)

    def close(self, seconds: float) -> None:
        """Send on what is left, for at most so long, and stop."""
        _Patience()(seconds, self._provider.shutdown)


class OtelSink:
    """Implement `app.telemetry.Sink`."""

    def __init__(self, named: Resource, metrics: Collection[Metric]) -> None:
        self._flushing = _Patience()
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        self._provider = MeterProvider([reader], named, shutdown_on_exit=False)
        meter = self._provider.get_meter(SCOPE)
        self._recorders: dict[str, Callable[[float, Mapping[str, str]], None]] = {}
        for metric in metrics:
            match metric.shape:
                case Shape.COUNTER:
                    self._recorders[metric.name] = meter.create_counter(metric.name, "", metric.meaning).add
                case Shape.GAUGE:
                    self._recorders[metric.name] = meter.create_gauge(metric.name, "", metric.meaning).set
                case Shape.HISTOGRAM:
                    histogram = meter.create_histogram(
                        metric.name, "s", metric.meaning, explicit_bucket_boundaries_advisory=metric.buckets
                    )
                    self._recorders[metric.name] = histogram.record

    def record(self, metric: Metric, value: float | None, labels: Mapping[str, str]) -> None:
        if value is not None:
            self._recorders[metric.name](value, labels)

    def flush(self, seconds: float) -> None:
        self._flushing(seconds, self._provider.force_flush)

    def close(self, seconds: float) -> None:
        """Send on what is left, for at most so long, and stop."""
        _Patience()(seconds, self._provider.shutdown)


def _named(words: Mapping[str, Word]) -> dict[str, Word]:
    return {f"orch.{name}": value for name, value in words.items()}


class _Patience:
    """Waits for work so long and no longer: the libraries' own limits do not bound a request that hangs."""

    def __init__(self) -> None:
        self._thread: Thread | None = None

    def __call__(self, seconds: float, work: Callable[[], object]) -> None:
        """Do it in a thread, unless the one before is still at it, and wait for that."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=work, name="telemetry", daemon=True)
            self._thread.start()
        self._thread.join(seconds)
