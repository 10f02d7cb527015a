"""What time brings: late displays, and checks of what may have been missed."""

from app.domain.effects import AddComment, Decision, RemoveLabel, Send, nothing
from app.domain.events import Refresh, SlotWanted, TaskChecked
from app.domain.facts import Issue
from app.domain.jobs import run_job
from app.domain.labels import is_same_label, status_label, statuses_on
from app.domain.names import digest_of
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies.single import SHOW
from app.domain.task import Status, Trigger, can
from handlers.pull_requests import finish_merged


def refresh(event: Refresh, snapshot: Snapshot) -> Decision:
    """Show the status if what is shown is older."""
    record = snapshot.record
    if record is None or record.shown == (record.status,):
        return nothing("what is shown is what is")
    return Decision("the status was not shown yet", effects=SHOW)


def task_checked(event: TaskChecked, snapshot: Snapshot) -> Decision:
    """Mend what was missed: a merge, a status label, a job that waits nowhere."""
    record = snapshot.record
    if record is None:
        return _unclaimed(event, snapshot)
    if snapshot.pull and snapshot.pull.merged and can(record.status, Trigger.MERGE):
        return finish_merged(record, snapshot.pull.number)
    return _mend(record, snapshot)


def _unclaimed(event: TaskChecked, snapshot: Snapshot) -> Decision:
    """Tell people about an issue that looks like a task and is none, if it still does after a redelivery had time."""
    issue, trigger = snapshot.issue, snapshot.policy.trigger
    on = statuses_on(issue.labels) if issue else ()
    if issue is None or not issue.is_open or not (on or _has(issue, trigger)):
        return nothing("there is no task")
    if not event.again:
        again = event.model_copy(update={"again": True})
        return Decision(
            "nobody has taken the issue on yet", effects=(Send(event=again, delay=snapshot.policy.claim_after),)
        )
    body = (
        f"This issue has Orch's labels, but Orch has no record of it that it can trust: either the label `{trigger}` "
        "was put on while Orch was not running and the issue was changed since, or Orch's comment here was changed. "
        f"To start it, take the label `{trigger}` off and put it on again."
    )
    told = AddComment(task=event.task, key=f"unclaimed-{digest_of(issue.title, issue.body)}", body=body)
    taken_off = tuple(RemoveLabel(task=event.task, label=status_label(status)) for status in on)
    return Decision("the issue's label was missed", effects=(*taken_off, told))


def _has(issue: Issue, trigger: str) -> bool:
    return any(is_same_label(label, trigger) for label in issue.labels)


def _mend(record: TaskRecord, snapshot: Snapshot) -> Decision:
    on = statuses_on(snapshot.issue.labels) if snapshot.issue else record.shown
    show = SHOW if on != (record.status,) else ()
    wanted: tuple[Send, ...] = ()
    if record.status in (Status.ROUTED, Status.IN_PROGRESS):
        job = run_job(record.task, record.attempt)
        wanted = (Send(event=SlotWanted(job=job, since=record.created_at.timestamp(), most=snapshot.parallel)),)
    if not show and not wanted:
        return nothing("nothing was missed")
    return Decision("mending what was missed", record.change(shown=on), (*wanted, *show))


HANDLERS = (
    Handler(Refresh, frozenset({Need.RECORD}), refresh),
    Handler(TaskChecked, frozenset({Need.RECORD, Need.ISSUE, Need.PULL, Need.CONFIG}), task_checked),
)
