"""A collector of OpenTelemetry on loopback: what it was sent by OTLP over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Seen:
    """A span; `process` is which of Orch's processes it is of, `error` what is said of an error that ended it."""

    name: str
    trace: str
    id: str
    parent: str
    process: str
    words: dict[str, Any]
    error: str = ""


@dataclass(slots=True)
class Collector:
    """What came so far: spans, and the names of metrics."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)
    metrics: set[str] = field(default_factory=set)

    def found(self, name: str) -> Seen | None:
        """Return the first span of that name."""
        return next((span for span in self.spans if span.name == name), None)

    async def take_spans(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for each in sent.resource_spans:
            process = _words(each.resource.attributes)["orch.process"]
            for span in (span for scope in each.scope_spans for span in scope.spans):
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                self.spans.append(Seen(span.name, *ids, process, _words(span.attributes), span.status.message))
        return web.Response()

    async def take_metrics(self, request: web.Request) -> web.Response:
        sent = ExportMetricsServiceRequest.FromString(await request.read())
        for each in (scope for resource in sent.resource_metrics for scope in resource.scope_metrics):
            self.metrics |= {metric.name for metric in each.metrics}
        return web.Response()

    def ancestry(self, span: Seen) -> list[str]:
        """List the names of a span and all above it, the root last."""
        by_id, names = {one.id: one for one in self.spans}, [span.name]
        while parent := by_id.get(span.parent):
            names.append(parent.name)
            span = parent
        return names


def _words(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take_spans)
    app.router.add_post("/v1/metrics", collector.take_metrics)
    async with TestServer(app, host="127.0.0.1") as server:
        collector.url = f"http://127.0.0.1:{server.port}"
        yield collector
