"""What is measured and traced: nothing unless asked for; few labels; messages that others can read."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app import telemetry
from app.boards import pack_line, unpack_line
from app.domain.envelope import Envelope, Source
from app.domain.events import RunFinished, RunStarted
from app.domain.jobs import Job, run_job
from app.domain.lines import Line, Waiting
from app.domain.names import ADMISSION
from app.domain.outcomes import Outcome, RunResult, Usage
from app.github.quota import Quota
from app.measures import measure_decision
from app.metrics import METRICS, QUOTA, RUNS, readme_table
from app.telemetry import Metric, Shape, Span, Word, about, carried, configure, is_measured, is_traced, span
from infra.packing import pack, unpack
from tests.unit import build
from tests.unit.build import NOW, TASK

README = Path(__file__).parents[2] / "README.md"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ENVELOPE = Envelope(
    id="d-1", group="repository:7/5", source=Source.GITHUB, name="issues", body=b"\x78\n\xff", received_at=NOW
)


@dataclass
class Kept:
    """A sink that keeps what it is given, and a tracer in whose spans everything is of one trace."""

    seen: list[tuple[str, float | None, dict[str, str]]] = field(default_factory=list)
    flushed: list[float] = field(default_factory=list)

    def record(self, metric: Metric, value: float | None, labels: Mapping[str, str]) -> None:
        assert set(labels) == set(metric.labels)
        self.seen.append((metric.name, value, dict(labels)))

    @contextmanager
    def span(self, name: str, trace: str | None, words: Mapping[str, Word]) -> Iterator[Span]:
        raise NotImplementedError
        yield

    def carried(self) -> str | None:
        return TRACE

    def flush(self, seconds: float) -> None:
        self.flushed.append(seconds)


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Measure and trace into this for one test."""
    kept = Kept()
    configure(kept, tracer=kept)
    yield kept
    configure()


def test_nothing_is_measured_or_traced_unless_asked_for() -> None:
    RUNS.record(outcome="delivered", agent="script")
    telemetry.flush()
    with span("decide", event="refresh") as current, about(TASK.group):
        current.note(effects=1)
        assert (is_measured(), is_traced(), carried(), dict(current.names)) == (False, False, None, {})
    assert span("one") is span("another")


def test_what_is_measured_goes_to_each_sink_and_is_flushed(kept: Kept) -> None:
    RUNS.record(outcome="delivered", agent="script")
    telemetry.flush(0.5)
    assert kept.seen == [("orch_runs", 1, {"outcome": "delivered", "agent": "script"})]
    assert kept.flushed == [0.5, 0.5]


@pytest.mark.parametrize(
    ("mine", "group", "is_carried"),
    [
        (TASK.group, TASK.group, True),
        (TASK.group, ADMISSION, True),
        (TASK.group, "repository:1/config", True),
        (TASK.group, build.task(13).group, False),
        (ADMISSION, TASK.group, False),
        (None, TASK.group, True),
    ],
)
def test_what_is_sent_to_another_task_begins_a_trace_of_its_own(
    kept: Kept, mine: str | None, group: str, is_carried: bool
) -> None:
    with about(mine):
        assert carried(group) == (TRACE if is_carried else None)


def test_messages_of_an_orch_that_traces_nothing_are_as_they_were_before_there_were_traces() -> None:
    assert "trace" not in json.loads(run_job(TASK, 1).model_dump_json())
    assert b"trace" not in pack(ENVELOPE)


def test_a_message_without_a_trace_is_read() -> None:
    job = run_job(TASK, 1)
    assert Job.model_validate_json(job.model_dump_json()) == job
    assert unpack(pack(ENVELOPE)) == ENVELOPE


def test_a_message_brings_its_trace() -> None:
    job = run_job(TASK, 1).model_copy(update={"trace": TRACE})
    envelope = ENVELOPE.model_copy(update={"trace": TRACE})
    assert Job.model_validate_json(job.model_dump_json()) == job
    assert unpack(pack(envelope)) == envelope


def test_a_job_that_waits_for_its_slot_keeps_its_trace() -> None:
    jobs = [run_job(TASK, 1).model_copy(update={"trace": TRACE}), run_job(build.task(13), 1)]
    line = Line(repository=TASK.repository, waiting=tuple(Waiting(job=job, since=1) for job in jobs))
    assert [one.job.trace for one in unpack_line(json.loads(json.dumps(pack_line(line)))).waiting] == [TRACE, None]


def finished(**usage: int | Decimal) -> RunFinished:
    """Make the end of a run that took a minute."""
    result = RunResult(
        outcome=Outcome.DELIVERED,
        reason="",
        agent="claude",
        usage=Usage.model_validate(usage),
        started_at=NOW,
        ended_at=NOW + timedelta(minutes=1),
    )
    return RunFinished(task=TASK, run_id="run-1", job_id="job-1", result=result)


def test_a_run_is_measured_by_what_is_known_of_it(kept: Kept) -> None:
    measure_decision(finished(tokens_in=7, cost=Decimal("0.5")), build.record(), NOW)
    assert kept.seen == [
        ("orch_decisions", 1, {"event": "run_finished"}),
        ("orch_runs", 1, {"outcome": "delivered", "agent": "claude"}),
        ("orch_run_seconds", 60, {"agent": "claude"}),
        ("orch_tokens", 7, {"agent": "claude", "kind": "in"}),
        ("orch_cost_dollars", 0.5, {"agent": "claude"}),
    ]


def test_i10_a_cost_that_is_not_known_is_none(kept: Kept) -> None:
    measure_decision(finished(), build.record(), NOW)
    assert [name for name, _, _ in kept.seen][-1] == "orch_runs_of_unknown_cost"
    assert "orch_cost_dollars" not in [name for name, _, _ in kept.seen]


@pytest.mark.parametrize(
    ("lost", "run", "seen"), [(None, None, [120.0]), ("run-0", None, []), (None, "run-0", [])], ids=str
)
def test_the_time_from_label_to_start_is_that_of_the_first_run(
    kept: Kept, lost: str | None, run: str | None, seen: list[float]
) -> None:
    before = build.record(run_id=run, created_at=NOW)
    event = RunStarted(task=TASK, run_id="run-1", job_id="job-1", lost=lost)
    measure_decision(event, before, NOW + timedelta(minutes=2))
    assert [value for name, value, _ in kept.seen if name == "orch_label_to_start_seconds"] == seen


def test_the_quota_is_that_of_the_installation_with_least_left_in_its_hour(kept: Kept) -> None:
    quota, hour = Quota(), NOW.timestamp() + 3600

    def tell(key: str, left: int, until: float, resource: str = "core") -> None:
        told = {"x-ratelimit-remaining": left, "x-ratelimit-reset": int(until), "x-ratelimit-resource": resource}
        quota.note(key, {name: str(value) for name, value in told.items()}, NOW)

    tell("a", 10, hour)
    tell("b", 4000, hour)
    tell("a", 5000, hour, "graphql")
    tell("gone", 1, NOW.timestamp() - 1)
    tell("b", 3999, hour)
    tell("b", 1, hour, "made up; by a proxy")
    quota.note("b", {"x-ratelimit-remaining": "many"}, NOW)
    assert [(labels["resource"], value) for name, value, labels in kept.seen if name == QUOTA.name] == [
        ("core", 10),
        ("core", 10),
        ("graphql", 5000),
        ("core", 1),
        ("core", 10),
    ]


def test_the_readme_lists_exactly_the_metrics() -> None:
    """`app.metrics.readme_table` returns what belongs between the marks."""
    assert README.read_text().split("<!-- metrics -->\n")[1].split("\n<!-- /metrics -->")[0] == readme_table()


def test_metrics_are_named_as_prometheus_has_it() -> None:
    assert [one.name for one in METRICS if one.name.endswith("_total")] == []
    assert [one.name for one in METRICS if one.shape is Shape.HISTOGRAM and not one.name.endswith("_seconds")] == []
    assert [one.name for one in METRICS if (one.shape is Shape.HISTOGRAM) != bool(one.buckets)] == []
