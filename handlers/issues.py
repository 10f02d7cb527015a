"""Labels on issues: the trigger starts and stops a task, a status label moved by hand is put back."""

from dataclasses import replace
from datetime import timedelta

from app.domain import life
from app.domain.blocked import is_planned
from app.domain.effects import AddComment, Decision, RemoveLabel, UpsertComment, nothing
from app.domain.events import IssueLabeled, IssueUnlabeled
from app.domain.jobs import Purpose
from app.domain.labels import AUTOMERGE, PLAN_LABEL, STATUS_PREFIX, is_same_label, statuses_on
from app.domain.missed import is_followed
from app.domain.names import digest_of
from app.domain.powers import Power, refusal
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies import family
from app.domain.strategies.admitting import Request, admit
from app.domain.strategies.merge import wish
from app.domain.strategies.starting import SHOW
from app.domain.task import Status, Trigger, can

AN_HOUR = timedelta(hours=1)
MOST_PUT_BACK = 3
GIVEN_IN = (
    f"Status labels were moved {MOST_PUT_BACK} times within an hour and put back each time. From now on they stay as "
    "they are until the status changes or the hour is over; this comment says what the status is."
)


def issue_labeled(event: IssueLabeled, snapshot: Snapshot) -> Decision:
    """Start the task if the event's own label is the trigger, put on by a person who may write."""
    if is_same_label(event.label, AUTOMERGE):
        return _merge_asked(event, snapshot)
    if not _starts(event, snapshot):
        return _drifted(event, snapshot)
    refused = refusal(Power.WRITE, event.actor, snapshot.standing, snapshot.policy)
    if refused:
        return _refuse(event, refused)
    if not snapshot.issue or not snapshot.issue.is_open or event.label not in snapshot.issue.labels:
        return nothing("the issue was closed or the label taken off meanwhile")
    if snapshot.record is None:
        return admit(_request(event), snapshot)
    return _take_up(event, snapshot.record, snapshot)


def _request(event: IssueLabeled) -> Request:
    return Request(
        task=event.task,
        actor=event.actor,
        title=event.title,
        body=event.body,
        how=f"with the label {event.label}",
        label=event.label,
        purpose=Purpose.PLAN if is_same_label(event.label, PLAN_LABEL) else None,
        more={"parent": event.task.model_copy(update={"number": event.parent})} if event.parent else {},
    )


def _starts(event: IssueLabeled | IssueUnlabeled, snapshot: Snapshot) -> bool:
    return is_same_label(event.label, snapshot.policy.trigger) or is_same_label(event.label, PLAN_LABEL)


def _merge_asked(event: IssueLabeled | IssueUnlabeled, snapshot: Snapshot) -> Decision:
    record = snapshot.record
    if record is None or record.status.is_final:
        return nothing("the issue is no open task")
    if snapshot.issue is None or life.has_label(snapshot.issue, AUTOMERGE) != isinstance(event, IssueLabeled):
        return nothing("the label was changed again since")
    return wish(record, event.actor, snapshot, wanted=isinstance(event, IssueLabeled))


def _take_up(event: IssueLabeled, record: TaskRecord, snapshot: Snapshot) -> Decision:
    """Go on with a task that waits: finish it, have its pull request reviewed again, or begin another attempt."""
    digest = digest_of(event.title, event.body)
    if is_planned(record) and not record.status.is_final:
        return _go_on(record, snapshot)
    if record.status is Status.DONE and life.has_open_pull(record):
        return nothing("the pull request was merged; only a reopened issue is taken up again")
    if not can(record.status, Trigger.ROUTE):
        return _start_anew(event, record, digest, snapshot)
    if is_followed(record, snapshot.given):
        return nothing("the label was put on before the task came to wait, and was followed then")
    waiting = life.merged(record, snapshot.pull) or life.reviewed_again(record, snapshot.pull, digest)
    return waiting or admit(_request(event), replace(snapshot, record=record.change(rounds=0)))


def _go_on(record: TaskRecord, snapshot: Snapshot) -> Decision:
    """Go on with a planned task that was stopped, or waits for a person; one that waits for its children does so."""
    if record.status not in (Status.PAUSED, Status.NEEDS_REVIEW) or is_followed(record, snapshot.given):
        return nothing("the task was planned already")
    return family.resume_whole(record, snapshot, "The label was put on again.")


def _start_anew(event: IssueLabeled, record: TaskRecord, digest: str, snapshot: Snapshot) -> Decision:
    """Follow a new text for which the trigger was taken off and put on again, faster than the first was seen."""
    issue = snapshot.issue
    is_now = issue is not None and digest_of(issue.title, issue.body) == digest
    if digest == record.admitted or not is_now or not can(record.status, Trigger.PAUSE):
        return nothing(f"the task is {record.status.value} already")
    paused = record.advance(Trigger.PAUSE, "The text is another one.", **life.stopped(record))
    admitted = admit(_request(event), replace(snapshot, record=paused))
    return replace(admitted, effects=(*life.stop(record), *admitted.effects))


def issue_unlabeled(event: IssueUnlabeled, snapshot: Snapshot) -> Decision:
    """Stop the work if the trigger was taken off; put a status label back."""
    if is_same_label(event.label, AUTOMERGE):
        return _merge_asked(event, snapshot)
    if not _starts(event, snapshot):
        return _drifted(event, snapshot)
    if snapshot.record is None or snapshot.issue is None:
        return nothing("no task, so nothing to stop")
    withdrawn = life.withdrawn(snapshot.record, snapshot.issue, snapshot.policy.trigger, event.actor.login)
    return withdrawn or nothing("nothing is to be stopped, or the label is on again")


def not_ours(event: IssueLabeled | IssueUnlabeled, snapshot: Snapshot) -> str | None:
    """Skip labels that Orch gives no meaning to, and what it did itself."""
    if event.actor.id == snapshot.identity.bot_id:
        return "Orch changed the label itself"
    if event.label.lower().startswith(STATUS_PREFIX):
        return None
    if _starts(event, snapshot) or is_same_label(event.label, AUTOMERGE):
        return None
    return f"the label {event.label} is nothing to Orch"


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
    recent = tuple(moment for moment in record.put_back if snapshot.now - moment < AN_HOUR)
    if len(recent) >= MOST_PUT_BACK:
        return _give_in(record.change(shown=on))
    notice = (
        f"`{event.actor.login}` moved a status label by hand; it was put back, because the status follows the work."
    )
    put_back = record.change(shown=on, notice=notice, put_back=(*recent, snapshot.now))
    return Decision("a status label was moved by hand", put_back, SHOW)


def _give_in(record: TaskRecord) -> Decision:
    """Leave the labels to whoever fights over them, and say so once; the next change of status sets them."""
    if record.notice == GIVEN_IN:
        return Decision("a status label was moved by hand again", record)
    why = "a status label was moved by hand again and again"
    return Decision(why, record.change(notice=GIVEN_IN), (UpsertComment(),))


def _spares(event: IssueLabeled, record: TaskRecord | None) -> frozenset[Need]:
    """Do without the list of what blocks the issue where GitHub said with the label that nothing does."""
    return frozenset({Need.BLOCKERS}) if event.blocked_by == 0 else frozenset()


_READ = frozenset({Need.RECORD, Need.ISSUE, Need.CONFIG})

HANDLERS = (
    Handler(
        IssueLabeled,
        _READ | {Need.STANDING, Need.PULL, Need.HEAD, Need.GIVEN, Need.POOL, Need.BLOCKERS},
        issue_labeled,
        not_ours,
        spares=_spares,
    ),
    Handler(IssueUnlabeled, _READ | {Need.STANDING}, issue_unlabeled, not_ours),
)
