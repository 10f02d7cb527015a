"""Labels on issues: the trigger starts a task, a status label moved by hand is put back."""

from app.domain.effects import AddComment, Decision, Effect, RemoveLabel, SetLabels, UpsertComment, nothing
from app.domain.events import IssueLabeled, IssueUnlabeled
from app.domain.labels import STATUS_PREFIX, is_same_label, statuses_on
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies import single
from app.domain.task import Trigger, can


def issue_labeled(event: IssueLabeled, snapshot: Snapshot) -> Decision:
    """Start the task if the event's own label is the trigger, put on by a person who may write."""
    if not is_same_label(event.label, snapshot.policy.trigger):
        return _drifted(event, snapshot)
    refusal = _refusal(event, snapshot)
    if refusal:
        return _refuse(event, refusal)
    if not snapshot.issue or not snapshot.issue.is_open or event.label not in snapshot.issue.labels:
        return nothing("the issue was closed or the label taken off meanwhile")
    if snapshot.record and not can(snapshot.record.status, Trigger.ROUTE):
        return nothing(f"the task is {snapshot.record.status.value} already")
    return single.admit(event, snapshot)


def issue_unlabeled(event: IssueUnlabeled, snapshot: Snapshot) -> Decision:
    """Put a status label back that somebody took off."""
    return _drifted(event, snapshot)


def not_ours(event: IssueLabeled | IssueUnlabeled, snapshot: Snapshot) -> str | None:
    """Skip labels that Orch gives no meaning to, and what it did itself."""
    if event.actor.id == snapshot.identity.bot_id:
        return "Orch changed the label itself"
    if event.label.lower().startswith(STATUS_PREFIX):
        return None
    if isinstance(event, IssueLabeled) and is_same_label(event.label, snapshot.policy.trigger):
        return None
    return f"the label {event.label} is nothing to Orch"


def _refusal(event: IssueLabeled, snapshot: Snapshot) -> str | None:
    if event.actor.is_bot:
        return "bots start no work unless the operator names them"
    if snapshot.permission is None or not snapshot.permission.can_write:
        return "only people with write access to this repository start work"
    return None


def _refuse(event: IssueLabeled, why: str) -> Decision:
    """Take the trigger off again and say why, once per person; a bot gets no answer, so that two bots make no loop."""
    body = f"`{event.actor.login}` put the label `{event.label}` on, but {why}. The label was taken off again."
    reply = (
        () if event.actor.is_bot else (AddComment(task=event.task, key=f"refused-label-{event.actor.id}", body=body),)
    )
    return Decision(why, effects=(RemoveLabel(task=event.task, label=event.label), *reply))


def _drifted(event: IssueLabeled | IssueUnlabeled, snapshot: Snapshot) -> Decision:
    record, issue = snapshot.record, snapshot.issue
    if record is None or issue is None:
        return nothing("no task, so nothing to put back")
    on = statuses_on(issue.labels)
    if on == (record.status,):
        return nothing("the status label is right")
    notice = (
        f"`{event.actor.login}` moved a status label by hand; it was put back, because the status follows the work."
    )
    effects: tuple[Effect, ...] = (SetLabels(), UpsertComment())
    return Decision("a status label was moved by hand", record.change(shown=on, notice=notice), effects)


HANDLERS = (
    Handler(IssueLabeled, frozenset({Need.RECORD, Need.ISSUE, Need.PERMISSION, Need.CONFIG}), issue_labeled, not_ours),
    Handler(IssueUnlabeled, frozenset({Need.RECORD, Need.ISSUE}), issue_unlabeled, not_ours),
)
