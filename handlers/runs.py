"""The beginning and the end of a run."""

from app.domain.effects import CancelRun, Decision, DeleteRef, Effect
from app.domain.events import RunFinished, RunStarted
from app.domain.names import run_ref
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies import single
from app.domain.strategies.single import SHOW
from app.domain.task import Trigger, can


def run_started(event: RunStarted, snapshot: Snapshot) -> Decision:
    """Make the run the task's current one, or tell it to stop when the task does not want it any more."""
    record = snapshot.record
    if record is None or record.job_id != event.job_id or not can(record.status, Trigger.START):
        return Decision("the task does not want this run any more", effects=(CancelRun(run_id=event.run_id),))
    why = f"Agent `{record.agent}` works on attempt {record.attempt}, run `{event.run_id}`."
    started = record.advance(Trigger.START, why, run_id=event.run_id)
    pushed_in_vain = (DeleteRef(ref=run_ref(event.lost)),) if event.lost else ()
    return Decision(f"run {event.run_id} began", started, (*SHOW, *pushed_in_vain))


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


HANDLERS = (
    Handler(RunStarted, frozenset({Need.RECORD}), run_started),
    Handler(RunFinished, frozenset({Need.RECORD, Need.CONFIG}), run_finished),
)
