"""Following what a task waits for: its blockers, its children, the creation of these."""

from app.domain import life
from app.domain.blocked import describe_blockers, is_planned
from app.domain.effects import Decision, Effect, Send, UpsertComment
from app.domain.graph import open_blockers, read_blockers, read_graph
from app.domain.jobs import run_job
from app.domain.record import TaskRecord
from app.domain.snapshot import Need, Snapshot
from app.domain.strategies.blocking import block, must_wait, waits_for_blockers
from app.domain.strategies.family import evaluate, follow_links
from app.domain.strategies.planning import creation, is_created
from app.domain.strategies.starting import SHOW, go_on_from_blockers, resumption, slot_for
from app.domain.strategies.telling import as_child
from app.domain.task import AT_WORK, Status

FREE = "All that blocked it is closed; the task waits for a runner."


def follow_blockers(record: TaskRecord, snapshot: Snapshot) -> Decision:
    """Begin what is blocked no more, block what has not begun, and say what is waited for."""
    if waits_for_blockers(record):
        if not open_blockers(record.blockers):
            return go_on_from_blockers(record, snapshot, FREE)
        return Decision("what blocks it changed", record.change(why=describe_blockers(record)), (UpsertComment(),))
    if record.status in (Status.ROUTED, Status.BLOCKED) and must_wait(record) and not is_planned(record):
        return Decision("it was blocked before it began", block(record), (*life.stop(record), *SHOW))
    return Decision("what blocks it changed", record)


def missed_links(record: TaskRecord, snapshot: Snapshot) -> Decision | None:
    """Follow what a look at GitHub shows of links that no webhook told of; None if nothing was missed."""
    if snapshot.blockers is not None:
        after = record.change(blockers=read_blockers(snapshot.blockers, record.blockers))
        if after != record or (waits_for_blockers(record) and not open_blockers(record.blockers)):
            return follow_blockers(after, snapshot)
    if record.status is Status.BLOCKED and record.plan and record.plan.approved_by and not is_created(record):
        return Decision("its sub-issues were not all created", record, creation(record, looks=True))
    graph = record.graph
    if graph is None or not graph.started or snapshot.children is None:
        return None
    if read_graph(snapshot.children, graph, record.task) != graph:
        return follow_links(record, graph, snapshot.children, snapshot)
    ends = record.status is Status.BLOCKED and not graph.open
    return evaluate(record, graph, snapshot) if ends else None


def needless(record: TaskRecord | None) -> frozenset[Need]:
    """Name what need not be read of links: what has begun is not blocked any more, and few have children."""
    spared = {Need.BLOCKERS, Need.CHILDREN}
    if record is not None and not record.status.is_final:
        if record.graph is not None and record.graph.started:
            spared.remove(Need.CHILDREN)
        if waits_for_blockers(record) or (record.blockers and record.status in (Status.ROUTED, Status.BLOCKED)):
            spared.remove(Need.BLOCKERS)
    return frozenset(spared)


def assert_again(record: TaskRecord, snapshot: Snapshot) -> tuple[Effect, ...]:
    """Tell admission and the parent again what they may have missed, or lost."""
    told: list[Effect] = [Send(event=as_child(record, record.parent))] if record.parent else []
    if record.status in AT_WORK or (record.status is Status.BLOCKED and record.job_id is not None):
        job = run_job(record.task, record.attempt, record.purpose.value)
        told.append(Send(event=slot_for(record, job, snapshot, record.created_at)))
    if record.status is Status.IN_REVIEW and life.holds_paths(record):
        told.append(life.keep_paths(record))
    if life.must_have_ended(record, snapshot.now):
        told += resumption(record)
    return tuple(told)
