"""Where what is measured and traced goes: ports, collectors that are there or away, and messages between processes."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.envelope import Envelope, Source
from app.domain.errors import Permanent, UserError
from app.domain.jobs import Job, run_job
from app.domain.outcomes import RunResult
from app.entry.telemetry import carrying, start_telemetry, telemetry, watch_queues
from app.measures import measure_queues
from app.metrics import METRICS, OLDEST, RUNS
from app.ports import Runs
from app.settings import otlp_signals
from app.telemetry import configure, flush, is_measured, is_traced, span
from infra.telemetry.carrying import CarryingEvents, CarryingJobs, CarryingRuns
from infra.telemetry.prometheus import PrometheusSink
from tests.e2e.collector import Collector, collecting
from tests.integration.core_stage import NOW, TASK, Stage, open_stage

JOB = run_job(TASK, 1)
RESULT = RunResult.model_validate(
    {"outcome": "delivered", "reason": "", "agent": "script", "started_at": NOW, "ended_at": NOW}
)
OTEL = ("SDK_DISABLED", "EXPORTER_OTLP_ENDPOINT", "EXPORTER_OTLP_TRACES_ENDPOINT", "METRICS_EXPORTER")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin and end with an Orch that measures nothing."""
    for name in OTEL:
        monkeypatch.delenv(f"OTEL_{name}", raising=False)
    yield
    configure()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """Have what is traced and measured sent here."""
    async with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


def envelope(number: int) -> Envelope:
    return Envelope(
        id=f"d-{number}", group=f"g/{number}", source=Source.ORCH, name="refresh", body=b"{}", received_at=NOW
    )


# What is on


@pytest.mark.parametrize(
    ("environment", "signals"),
    [
        ({}, ""),
        ({"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "metrics traces"),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, "traces"),
        ({"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "METRICS_EXPORTER": "none"}, "traces"),
        ({"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "SDK_DISABLED": "true"}, ""),
    ],
    ids=str,
)
def test_the_standard_variables_say_what_is_sent(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], signals: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    assert " ".join(sorted(otlp_signals())) == signals


def test_without_any_nothing_is_measured_and_no_port_is_wrapped() -> None:
    with telemetry("serve"):
        assert (is_measured(), is_traced()) == (False, False)
        assert carrying(part) is part


def part(name: str, what: Any) -> Any:
    return what


def test_metrics_without_the_extra_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "infra.telemetry.prometheus", None)
    with pytest.raises(UserError, match="pip install"), telemetry("serve", port=0):
        pass


def test_a_collector_that_is_not_for_orch_does_not_keep_it_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "infra.telemetry.otel", None)
    with telemetry("serve"):
        assert (is_measured(), is_traced()) == (False, False)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Permanent, match=f"127.0.0.1:{port} .*ORCH_METRICS_PORT"), telemetry("serve", port=port):
            pass
    assert not is_measured()


# Queues


async def test_the_oldest_of_what_waits_is_told(stage: Stage) -> None:
    assert (await stage.events.backlog()).oldest is None
    await stage.events.send(envelope(1))
    await stage.clock.pass_time(7)
    await stage.events.send(envelope(2))
    assert (await stage.events.backlog()).oldest == 7
    lease = await stage.events.receive(0)
    assert lease
    assert ((await stage.events.backlog()).oldest, lease.item.id) == (0, "d-1")
    await lease.release(60)
    await stage.clock.pass_time(3)
    assert (await stage.events.backlog()).oldest == 3


async def test_an_age_that_becomes_unknown_is_taken_off(stage: Stage) -> None:
    sink = PrometheusSink(METRICS)
    configure(sink)
    await stage.jobs.send(JOB)
    await stage.clock.pass_time(5)
    await measure_queues(stage.events, stage.jobs)
    assert sink.registry.get_sample_value("orch_queue_oldest_seconds", {"queue": "jobs"}) == 5
    assert sink.registry.get_sample_value("orch_queue_oldest_seconds", {"queue": "events"}) == 0
    assert sink.registry.get_sample_value("orch_queue_messages", {"queue": "jobs", "state": "waiting"}) == 1
    OLDEST.record(None, queue="jobs")
    OLDEST.record(None, queue="never seen")
    assert sink.registry.get_sample_value("orch_queue_oldest_seconds", {"queue": "jobs"}) is None


async def test_queues_are_looked_at_again_after_a_look_that_failed(stage: Stage) -> None:
    sink = PrometheusSink(METRICS)
    configure(sink)
    looks = FailingOnce(stage)
    watching = asyncio.create_task(watch_queues(cast(Any, looks), stage.jobs, stage.clock))
    await asyncio.wait_for(looks.failed.wait(), 10)
    while sink.registry.get_sample_value("orch_dead_letters", {"queue": "jobs"}) is None:
        await stage.clock.pass_time(10)
        await asyncio.sleep(0.01)
    watching.cancel()
    assert not watching.done()


@dataclass
class FailingOnce:
    """An events queue whose first look fails."""

    stage: Stage
    failed: asyncio.Event = field(default_factory=asyncio.Event)

    async def backlog(self) -> Any:
        if not self.failed.is_set():
            self.failed.set()
            raise OSError("the disk is gone")
        return await self.stage.events.backlog()

    async def dead_letters(self) -> Any:
        return await self.stage.events.dead_letters()


# Collectors


async def test_what_was_done_is_sent_before_the_process_is_put_to_sleep(collector: Collector) -> None:
    start_telemetry("events")
    for _ in range(2):
        with span("handle refresh"):
            RUNS.record(outcome="delivered", agent="script")
        await asyncio.to_thread(flush)
    assert [(seen.name, seen.process, seen.parent) for seen in collector.spans] == [
        ("handle refresh", "events", "")
    ] * 2
    assert len({seen.trace for seen in collector.spans}) == 2
    assert collector.metrics == {"orch_runs"}


async def test_an_error_is_traced_without_its_text(collector: Collector) -> None:
    with telemetry("serve"):
        with pytest.raises(OSError, match="canary"), span("decide"):
            raise OSError("canary")
        await asyncio.to_thread(flush)
    [seen] = collector.spans
    assert ("OSError" in seen.error, "canary" in str(seen)) == (True, False)


def test_a_collector_that_never_answers_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        start_telemetry("events")
        with span("handle refresh"):
            RUNS.record(outcome="delivered", agent="script")
        began = time.monotonic()
        flush(0.2)
        flush(0.2)
        assert time.monotonic() - began < 2


# Messages


async def test_a_message_carries_the_trace_it_was_sent_in_unless_it_has_one(collector: Collector, stage: Stage) -> None:
    with telemetry("serve"):
        wrap = carrying(part)
        events, jobs = wrap("events", stage.events), wrap("jobs", stage.jobs)
        with span("apply") as current:
            await events.send(envelope(1))
            await jobs.send(JOB)
            await events.send(envelope(2).model_copy(update={"trace": "00-its-own"}))
        await events.send(envelope(3))
        trace = current.names["trace"]
        await asyncio.to_thread(flush)
    carried = [lease.item.trace async for lease in received(stage)]
    assert [found and found.split("-")[1] for found in carried] == [trace, "its", None]
    lease = await stage.jobs.receive(0)
    assert lease
    assert lease.item.trace
    assert trace in lease.item.trace
    assert (isinstance(events, CarryingEvents), isinstance(jobs, CarryingJobs), wrap("store", 1)) == (True, True, 1)


async def received(stage: Stage) -> AsyncIterator[Any]:
    while (lease := await stage.events.receive(0)) is not None:
        yield lease


async def test_what_a_runner_asks_of_a_function_is_in_the_trace_of_its_run(collector: Collector) -> None:
    asked: list[Job] = []
    with telemetry("runner"):
        runner, function = CarryingRuns(cast(Runs, Asked(asked))), CarryingRuns(cast(Runs, Asked([])))
        with span("run") as run:
            await runner.finish("run-1", JOB, RESULT)
        await function.finish("run-1", asked[0], RESULT)
        await asyncio.to_thread(flush)
    ends = [seen for seen in collector.spans if seen.name == "finish"]
    assert {seen.trace for seen in collector.spans} == {run.names["trace"]}
    assert [collector.ancestry(seen) for seen in ends] == [["finish", "run"], ["finish", "finish", "run"]]


@dataclass
class Asked:
    """Runs that keep the jobs they are asked about."""

    jobs: list[Job]

    async def finish(self, run_id: str, job: Job, result: RunResult) -> bool:
        self.jobs.append(job)
        return True
