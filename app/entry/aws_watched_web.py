"""The web Lambda function where OpenTelemetry is wanted: its start takes some tenths of a second longer."""

import time
from collections.abc import Callable, Mapping

from app.entry.aws_web import Event, Taken, Web
from app.entry.telemetry import start_telemetry
from app.metrics import WEBHOOK_SECONDS
from app.telemetry import carried, flush, span
from app.web.deliveries import Answer, Delivery
from infra.aws.sigv4 import Aws

FLUSH_SECONDS = 1.0
"""What a delivery's answer may wait for a collector, for metrics and traces each; GitHub waits 10 s for it."""


class WatchedWeb(Web):
    """Measures and traces deliveries; what was refused is sent on with the next one that was not."""

    def __init__(self, environment: Mapping[str, str], aws: Aws, seconds: Callable[[], float] = time.time) -> None:
        super().__init__(environment, aws, seconds)
        start_telemetry("web")

    def receive(self, event: Event) -> Answer:
        began = time.perf_counter()
        answer = super().receive(event)
        WEBHOOK_SECONDS.record(time.perf_counter() - began, status=str(answer.status))
        if answer.status in (202, 503):
            flush(FLUSH_SECONDS)
        return answer

    def _enqueue(self, delivery: Delivery, body: bytes) -> Answer:
        with span("webhook", delivery=delivery.id, event=delivery.name, action=delivery.action or ""):
            return super()._enqueue(delivery, body)

    def _send(self, taken: Taken) -> None:
        super()._send(taken._replace(trace=carried(taken.group)))
