"""What events and queues tell of how Orch does, as metrics."""

from datetime import datetime
from typing import Any

from app.domain.events import RunFinished, RunStarted
from app.domain.outcomes import RunResult
from app.domain.record import TaskRecord
from app.metrics import COST, DEAD, DECISIONS, LABEL_TO_START, OLDEST, QUEUE, RUN_SECONDS, RUNS, TOKENS, UNPRICED
from app.ports import EventQueue, JobQueue
from app.telemetry import is_measured


def measure_decision(event: Any, before: TaskRecord | None, at: datetime) -> None:
    """Measure what a decision was about, once; `at` is when the event came, `before` its task until then."""
    if not is_measured():
        return
    DECISIONS.record(event=str(getattr(event, "type", type(event).__name__)))
    match event:
        case RunStarted() if before is not None and _is_first(event, before):
            LABEL_TO_START.record(max((at - before.created_at).total_seconds(), 0))
        case RunFinished(result=result):
            _measure_run(result)


def _is_first(event: RunStarted, before: TaskRecord) -> bool:
    return event.lost is None and before.run_id is None and not before.runs and not before.folded.runs


def _measure_run(result: RunResult) -> None:
    agent, usage = result.agent, result.usage
    RUNS.record(outcome=result.outcome.value, agent=agent)
    RUN_SECONDS.record(max((result.ended_at - result.started_at).total_seconds(), 0), agent=agent)
    for kind, count in (("in", usage.tokens_in), ("out", usage.tokens_out), ("cached", usage.tokens_cached)):
        if count is not None:
            TOKENS.record(count, agent=agent, kind=kind)
    if usage.cost is None:
        UNPRICED.record(agent=agent)
    else:
        COST.record(float(usage.cost), agent=agent)


async def measure_queues(events: EventQueue, jobs: JobQueue) -> None:
    """Measure what lies on the queues now, and what was set aside."""
    queues: dict[str, EventQueue | JobQueue] = {"events": events, "jobs": jobs}
    for name, queue in queues.items():
        backlog = await queue.backlog()
        QUEUE.record(backlog.waiting, queue=name, state="waiting")
        QUEUE.record(backlog.in_flight, queue=name, state="in_flight")
        QUEUE.record(backlog.later, queue=name, state="later")
        OLDEST.record(backlog.oldest if backlog.waiting else 0, queue=name)
        DEAD.record(len(await queue.dead_letters()), queue=name)
