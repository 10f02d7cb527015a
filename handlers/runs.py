"""The beginning and the end of a run."""

from app.domain import life
from app.domain.effects import Decision, DeleteRef, Effect, Enqueue, StopRun, UpsertComment, nothing
from app.domain.events import RunFinished, RunGivenBack, RunProgressed, RunStarted, Spent, WorkspaceExpired
from app.domain.instructions import delivered, given_back, waiting
from app.domain.jobs import cleanup_job
from app.domain.ledger import Ledger
from app.domain.names import run_ref
from app.domain.outcomes import SUCCEEDED, Outcome
from app.domain.record import TaskRecord, Unfinished
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies import single
from app.domain.strategies.starting import SHOW, drop_unfinished
from app.domain.task import Status, Trigger, can


def run_started(event: RunStarted, snapshot: Snapshot) -> Decision:
    """Make the run the task's current one, or tell it to stop when the task does not want it any more."""
    record = snapshot.record
    if record is None or record.job_id != event.job_id or not can(record.status, Trigger.START):
        return Decision("the task does not want this run any more", effects=(StopRun(run_id=event.run_id),))
    why = f"Agent `{record.agent}` works on attempt {record.tries}, run `{event.run_id}`."
    # What the lost run's agent was told, nobody knows any more.
    untold = given_back(record.instructions, event.lost or "")
    # A run that was told to stop can tell of its end no more, now that this one has its lease.
    started = record.advance(Trigger.START, why, run_id=event.run_id, instructions=untold, stopping=None)
    kept = record.unfinished is not None and record.unfinished.run_id == event.lost
    pushed_in_vain = (DeleteRef(ref=run_ref(event.lost)),) if event.lost and not kept else ()
    told = life.tell(started, *waiting(started.instructions))
    return Decision(f"run {event.run_id} began", started, (*told, *SHOW, *pushed_in_vain))


def run_progressed(event: RunProgressed, snapshot: Snapshot) -> Decision:
    """Show what the current run's agent was told, and that it has spent most of what it may."""
    record = snapshot.record
    if record is None or record.run_id != event.run_id:
        return nothing(f"run {event.run_id} is not the current run")
    known = record.change(instructions=delivered(record.instructions, event.delivered, event.run_id))
    if event.share is not None and event.share > (record.spent_share or 0):
        known = known.change(spent_share=event.share)
    if known == record:
        return nothing("that is known")
    return Decision("the run went on", known, (UpsertComment(),))


def run_given_back(event: RunGivenBack, snapshot: Snapshot) -> Decision:
    """Let the next run go on from what this one pushed, if it is wanted; what was kept before is in it."""
    record, kept = snapshot.record, Unfinished(run_id=event.run_id, sha=event.kept)
    if record is None or record.unfinished == kept:
        return nothing("the task is not known" if record is None else "that is known")
    is_paused = record.stopping == event.run_id and record.stop_keeps and record.status is Status.PAUSED
    if record.run_id != event.run_id and not is_paused:
        return Decision(f"run {event.run_id} is not the current run", effects=(DeleteRef(ref=run_ref(event.run_id)),))
    known = record.change(unfinished=kept)
    return Decision(f"run {event.run_id} was given back with what it did so far", known, drop_unfinished(record))


def workspace_expired(event: WorkspaceExpired, snapshot: Snapshot) -> Decision:
    """Remove the workspace of a failed attempt, unless the task went on meanwhile."""
    record = snapshot.record
    if record is None or record.attempt != event.attempt or record.status is not Status.NEEDS_REVIEW:
        return nothing("the workspace is used, or gone")
    tidied = Enqueue(job=cleanup_job(record.task, record.attempt))
    return Decision("the workspace was kept for long enough", effects=(tidied,))


def spent(event: Spent, snapshot: Snapshot) -> Decision:
    """Count what a run cost for its repository and installation."""
    ledger = snapshot.ledger or Ledger()
    after = ledger.add(event.run_id, event.repository.id, event.cost, event.at)
    if after != ledger and event.agent and event.outcome is not None and event.seconds is not None:
        succeeded = event.outcome in SUCCEEDED
        after = after.learn(event.agent, event.complexity, event.cost, event.seconds, succeeded=succeeded)
    return nothing("the run was counted") if after == ledger else Decision("a run was counted", after)


def run_finished(event: RunFinished, snapshot: Snapshot) -> Decision:
    """Go on from the end of the current run; any other run's end changes nothing, and what it pushed is removed."""
    record = snapshot.record
    if record is not None and record.stopping == event.run_id:
        return single.after_stop(event, record)
    if record is None or record.run_id != event.run_id:
        return Decision(f"run {event.run_id} is not the current run", effects=_pushed_in_vain(event, record))
    return single.after_run(event, record, snapshot)


def _pushed_in_vain(event: RunFinished, record: TaskRecord | None) -> tuple[Effect, ...]:
    """Remove the ref of a run that never counted; that of one that did has been removed with its delivery."""
    if record is None or event.result.head_sha is None or event.run_id in {run.run_id for run in record.runs}:
        return ()
    return (DeleteRef(ref=run_ref(event.run_id)),)


def _spares(event: RunFinished, record: TaskRecord | None) -> frozenset[Need]:
    """Look at the other agents only where one of them may have to go on."""
    spared = set[Need]() if event.result.outcome is Outcome.PROVIDER_LIMITED else {Need.POOL}
    return frozenset(spared if event.result.plan else spared | {Need.EXPERIENCE})


HANDLERS = (
    Handler(RunStarted, frozenset({Need.RECORD}), run_started),
    Handler(RunProgressed, frozenset({Need.RECORD}), run_progressed),
    Handler(RunGivenBack, frozenset({Need.RECORD}), run_given_back),
    Handler(WorkspaceExpired, frozenset({Need.RECORD}), workspace_expired),
    Handler(Spent, frozenset({Need.LEDGER}), spent),
    Handler(
        RunFinished, frozenset({Need.RECORD, Need.CONFIG, Need.POOL, Need.EXPERIENCE}), run_finished, spares=_spares
    ),
)
