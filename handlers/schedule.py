"""What time brings: late displays, and checks of what may have been missed."""

from dataclasses import replace

from app.domain import life, missed
from app.domain.effects import AddComment, Decision, RemoveLabel, Send, nothing
from app.domain.events import Refresh, TaskChecked
from app.domain.facts import CutOff, Issue
from app.domain.labels import PLAN_LABEL, status_label, statuses_on
from app.domain.names import digest_of
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies.checked import follow_checks
from app.domain.strategies.choosing import ask_again
from app.domain.strategies.family import resume_whole
from app.domain.strategies.starting import SHOW
from app.domain.strategies.waiting import assert_again, missed_links, needless
from app.domain.task import Status


def refresh(event: Refresh, snapshot: Snapshot) -> Decision:
    """Show the status if what is shown is older."""
    record = snapshot.record
    if record is None or record.cut_off or record.shown == (record.status,):
        return nothing("what is shown is what is")
    return Decision("the status was not shown yet", effects=SHOW)


def task_checked(event: TaskChecked, snapshot: Snapshot) -> Decision:
    """Mend what was missed: what happened to issue or pull request, a status label, a job that waits nowhere."""
    record = snapshot.record
    if record is None:
        return _unclaimed(event, snapshot)
    here = record.change(task=event.task, cut_off=None)
    fact = _missed(here, record.cut_off, snapshot)
    if fact:
        # One fact at a time: the next look finds what else there is, and ends when there is nothing.
        return replace(fact, effects=(*fact.effects, Send(event=event)))
    mended, unmet = _mend(here, snapshot), missed.unmet(here, snapshot) or _failing(here, snapshot)
    if unmet:
        both = (*mended.effects, *unmet.effects)
        after = unmet.record or mended.record or (here if here != record else None)
        return Decision(unmet.why, after, both)
    return mended if mended.record or here == record else Decision("the repository has another name", here)


def _failing(record: TaskRecord, snapshot: Snapshot) -> Decision | None:
    """Follow checks whose end was missed."""
    if record.status is not Status.IN_REVIEW:
        return None
    followed = follow_checks(record, snapshot)
    return followed if isinstance(followed, Decision) and followed.record else None


def _missed(record: TaskRecord, was: CutOff | None, snapshot: Snapshot) -> Decision | None:
    """Follow the first fact about issue and pull request that the record does not know."""
    issue, pull, trigger = snapshot.issue, snapshot.pull, snapshot.policy.trigger
    if issue is None:
        return life.gone(record, "The issue was deleted or transferred, so the task ends here.")
    facts = life.merged(record, pull) or life.closed(record, issue)
    if facts is None and not record.left_open:
        facts = life.reopened(record, issue, pull, trigger)
    if facts:
        return facts
    if was and record.status is Status.PAUSED:
        return _go_on(record, was, issue, snapshot)
    told = life.withdrawn(record, issue, trigger) or (pull and life.pull_followed(record, pull, trigger))
    return told or life.edited(record, issue) or missed_links(record, snapshot)


def _go_on(record: TaskRecord, was: CutOff, issue: Issue, snapshot: Snapshot) -> Decision:
    """Go on with what was stopped because Orch was cut off; after it was removed, only a person starts it again."""
    trigger = snapshot.policy.trigger
    if was is CutOff.REMOVED or not life.has_label(issue, record.label or trigger):
        why = f"Orch was cut off from here ({was.value}) and can write again. {life.again(trigger)}"
        return Decision("Orch can write here again", record.change(why=why), SHOW)
    return resume_whole(record, snapshot, f"Orch was cut off from here ({was.value}) and goes on with a new attempt.")


def _unclaimed(event: TaskChecked, snapshot: Snapshot) -> Decision:
    """Tell people about an issue that looks like a task and is none, if it still does after a redelivery had time."""
    issue, trigger = snapshot.issue, snapshot.policy.trigger
    on = statuses_on(issue.labels) if issue else ()
    if issue is not None and life.has_label(issue, PLAN_LABEL):
        trigger = PLAN_LABEL
    if issue is None or not issue.is_open or not (on or life.has_label(issue, trigger)):
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


def _mend(record: TaskRecord, snapshot: Snapshot) -> Decision:
    if unasked := ask_again(record, snapshot):
        return unasked
    on = statuses_on(snapshot.issue.labels) if snapshot.issue else record.shown
    show = SHOW if on != (record.status,) else ()
    wanted = assert_again(record, snapshot)
    if not show and not wanted:
        return nothing("nothing was missed")
    return Decision("mending what was missed", record.change(shown=on), (*wanted, *show))


_CHECKED = frozenset(
    {
        Need.RECORD,
        Need.ISSUE,
        Need.PULL,
        Need.COMMENTS,
        Need.REVIEWS,
        Need.CHECKS,
        Need.CONFIG,
        Need.BLOCKERS,
        Need.CHILDREN,
    }
)

HANDLERS = (
    Handler(Refresh, frozenset({Need.RECORD}), refresh),
    Handler(
        TaskChecked,
        _CHECKED,
        task_checked,
        spares=lambda event, record: needless(record),
    ),
)
