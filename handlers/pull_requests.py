"""What happens to pull requests, told to the task behind them."""

from app.domain.effects import CancelRun, CloseIssue, Decision, DeleteRef, Effect, Enqueue, Send, nothing
from app.domain.events import PullClosed, PullMerged, SlotFreed
from app.domain.jobs import cleanup_job
from app.domain.names import TaskRef, number_of_task
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies.single import SHOW
from app.domain.task import Trigger, can


def pull_closed(event: PullClosed, snapshot: Snapshot) -> Decision:
    """Tell the task behind a merged pull request; the branch's name says which one it is."""
    number = number_of_task(event.head_branch, snapshot.branch_prefixes)
    if number is None or event.head_repository_id != event.repository.id:
        return nothing("the pull request is not Orch's")
    if not event.merged:
        return nothing("the pull request was closed without a merge")
    task = TaskRef(repository=event.repository, number=number)
    merged = PullMerged(task=task, pull=event.number, branch=event.head_branch)
    return Decision(f"pull request #{event.number} was merged", effects=(Send(event=merged),))


def pull_merged(event: PullMerged, snapshot: Snapshot) -> Decision:
    """Finish the task whose pull request was merged."""
    record = snapshot.record
    if record is None or not _is_of(record, event):
        return nothing("the merged pull request is not the task's")
    if not can(record.status, Trigger.MERGE):
        return nothing(f"the task is {record.status.value} already")
    return finish_merged(record, event.pull)


def _is_of(record: TaskRecord, event: PullMerged) -> bool:
    """Go by the pull request's number; before the record has it, by its branch."""
    return record.branch == event.branch if record.pull is None else record.pull == event.pull


def finish_merged(record: TaskRecord, pull: int) -> Decision:
    """Close the issue, remove what is left over, and stop what still runs."""
    done = record.advance(Trigger.MERGE, f"Pull request #{pull} was merged.", pull=pull, run_id=None)
    stop: tuple[Effect, ...] = (CancelRun(run_id=record.run_id),) if record.run_id else ()
    freed = (Send(event=SlotFreed(job_id=record.job_id)),) if record.job_id else ()
    left_over = (
        CloseIssue(),
        DeleteRef(ref=f"refs/heads/{record.branch}"),
        Enqueue(job=cleanup_job(record.task, record.attempt)),
    )
    return Decision(f"pull request #{pull} was merged", done, (*stop, *freed, *left_over, *SHOW))


HANDLERS = (
    Handler(PullClosed, frozenset({Need.CONFIG}), pull_closed),
    Handler(PullMerged, frozenset({Need.RECORD}), pull_merged),
)
