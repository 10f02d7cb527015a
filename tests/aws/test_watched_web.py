"""The web Lambda function where OpenTelemetry is wanted: the trace begins with the delivery, and goes with it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from app.entry.aws_watched_web import WatchedWeb
from app.telemetry import configure
from infra.aws.messages import decode
from infra.aws.sigv4 import Aws
from infra.packing import unpack
from tests.aws.endpoint import Endpoint, serving
from tests.aws.test_aws_web import NEW, delivery, held
from tests.e2e.collector import Collector, collecting

WHICH = "import app.entry.aws_web as entry; print(type(entry._web()).__name__)"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(GetSecretValue=held(NEW)) as endpoint:
        yield endpoint


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector
    configure()


def names(endpoint: Endpoint) -> dict[str, str]:
    """Return what Lambda sets, and the function's own settings."""
    own = {"ORCH_AWS_EVENTS_QUEUE": "https://sqs/1/events.fifo", "ORCH_AWS_SECRET": "orch"}
    return {**endpoint.environment, **own}


async def test_a_delivery_carries_its_trace_and_is_measured_before_it_is_answered(
    endpoint: Endpoint, collector: Collector
) -> None:
    aws = Aws(names(endpoint))
    web = WatchedWeb(names(endpoint), aws)
    forged, taken = [await asyncio.to_thread(web, event, None) for event in (delivery(secret="no"), delivery())]
    aws.close()
    assert (forged["statusCode"], taken["statusCode"]) == (401, 202)
    [span] = collector.spans
    [sent] = [
        unpack(decode(asked.arguments["MessageBody"])) for asked in endpoint.asked if asked.operation == "SendMessage"
    ]
    assert (span.name, span.process, span.words["orch.delivery"]) == ("webhook", "web", "d-1")
    assert sent.trace is not None
    assert sent.trace.startswith(f"00-{span.trace}-{span.id}-")
    assert collector.metrics == {"orch_webhook_seconds"}


@pytest.mark.parametrize(("wanted", "kind"), [({}, "Web"), ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, "WatchedWeb")])
def test_what_watches_is_imported_only_where_it_is_wanted(
    endpoint: Endpoint, wanted: dict[str, str], kind: str
) -> None:
    env = {**names(endpoint), **wanted, "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", WHICH], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == kind
