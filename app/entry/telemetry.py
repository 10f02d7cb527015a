"""Say where goes what Orch measures and traces: nowhere, unless it was asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from app.domain.errors import Permanent, UserError
from app.log import log
from app.measures import measure_queues
from app.metrics import METRICS
from app.ports import Clock, EventQueue, JobQueue
from app.settings import otlp_signals
from app.telemetry import Sink, configure, is_measured, is_traced

if TYPE_CHECKING:
    from infra.telemetry.otel import OtelSink, OtelTracer

Wrap = Callable[[str, Any], Any]
LOOK_EVERY = 10.0
CLOSE_SECONDS = 1.5
"""What sending on the last of it may take, for metrics and traces each."""


@contextmanager
def telemetry(process: str, *, host: str = "127.0.0.1", port: int | None = None) -> Iterator[None]:
    """Measure and trace as long as the context lasts: by OTLP as the environment says, and for who asks at the port.

    Raises UserError or Permanent if the port was given, and cannot be served.
    """
    with ExitStack() as stack:
        sinks: list[Sink] = [] if port is None else [stack.enter_context(_asked_for(host, port))]
        metrics, tracer = _otlp(process)
        for each in (metrics, tracer):
            if each is not None:
                stack.callback(each.close, CLOSE_SECONDS)
        configure(*sinks, *([metrics] if metrics else []), tracer=tracer)
        stack.callback(configure)
        yield


def start_telemetry(process: str) -> None:
    """Measure and trace by OTLP as the environment says, to the end of the process.

    Where that is put to sleep, `app.telemetry.flush` sends on what there is before.
    """
    metrics, tracer = _otlp(process)
    configure(*([metrics] if metrics else []), tracer=tracer)


def carrying(wrap: Wrap) -> Wrap:
    """Let messages carry the trace that they belong to, if anything is traced."""
    if not is_traced():
        return wrap
    from infra.telemetry.carrying import carrying as carry  # noqa: PLC0415 - off by default

    return carry(wrap)


async def watch_queues(events: EventQueue, jobs: JobQueue, clock: Clock) -> None:
    """Measure again and again what lies on the queues, if anything is measured."""
    while is_measured():
        await look_at_queues(events, jobs)
        await clock.sleep(LOOK_EVERY)


async def look_at_queues(events: EventQueue, jobs: JobQueue) -> None:
    """Measure what lies on the queues, if anything is measured."""
    if not is_measured():
        return
    try:
        await measure_queues(events, jobs)
    except Exception as error:  # it is tried again the next time, and stops nothing else
        log().warning("the queues cannot be measured now", reason=f"{type(error).__name__}: {error}")


@contextmanager
def _asked_for(host: str, port: int) -> Iterator[Sink]:
    try:
        from infra.telemetry.prometheus import PrometheusSink, served  # noqa: PLC0415 - an extra
    except ImportError:
        raise UserError("ORCH_METRICS_PORT needs the extra `metrics`: pip install 'orch-app[metrics]'") from None
    sink = PrometheusSink(METRICS)
    with ExitStack() as stack:
        try:
            at = stack.enter_context(served(sink.registry, host, port))
        except OSError as error:
            raise Permanent(
                f"cannot listen on {host}:{port} for metrics: {error.strerror}; see ORCH_METRICS_PORT"
            ) from None
        log().info("metrics are served", address=f"http://{host}:{at}/metrics")
        yield sink


def _otlp(process: str) -> "tuple[OtelSink | None, OtelTracer | None]":
    signals = otlp_signals()
    if not signals:
        return None, None
    try:
        from infra.telemetry.otel import OtelSink, OtelTracer, resource  # noqa: PLC0415 - an extra
    except ImportError:  # these variables may be there for others: that must not keep Orch from starting
        log().warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but the extra `otel` is not installed: nothing is sent")
        return None, None
    named = resource(process)
    metrics = OtelSink(named, METRICS) if "metrics" in signals else None
    return metrics, OtelTracer(named) if "traces" in signals else None
