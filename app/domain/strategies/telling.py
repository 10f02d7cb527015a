"""What a task tells others when its record changes: its parent, those who wait for it, its children.

All of it is asked for with the change itself, so that nobody is told of what was not written, nor left untold.
"""

from decimal import Decimal
from typing import Literal

from app.domain.admission_events import LocksReleased
from app.domain.effects import Effect, Send
from app.domain.graph import LONGEST_WHY, Blocker, NodeState, describe_issue, is_same, open_blockers
from app.domain.graph_events import BlockerMoved, ChildMoved, DependentWaits, ParentSaid
from app.domain.life import holds_paths, keep_paths
from app.domain.names import TaskRef
from app.domain.record import TaskRecord
from app.domain.task import Status
from app.domain.text import one_line

NOTHING = Decimal(0)
_STUCK = (Status.NEEDS_REVIEW, Status.PAUSED)


def told(before: TaskRecord | None, after: TaskRecord) -> tuple[Effect, ...]:
    """List what others are to be told of a task whose record changes."""
    return (
        *_to_parent(before, after),
        *_to_dependents(before, after),
        *_to_blockers(before, after),
        *_down(before, after),
        *_to_admission(before, after),
    )


def issue_state(record: TaskRecord) -> NodeState:
    """Say how the task's issue stands: one that ended while its issue stayed open is not completed."""
    if not record.status.is_final or record.left_open:
        return NodeState.OPEN
    return NodeState.COMPLETED if record.status is Status.DONE else NodeState.DROPPED


def stuck(record: TaskRecord) -> str:
    """Say what keeps a task from going on by itself, empty if nothing does."""
    if record.status in _STUCK:
        return one_line(f"it is {record.status.value.replace('_', ' ')}: {record.why}", LONGEST_WHY)
    if record.status.is_final and record.left_open:
        return f"it ended as {record.status.value}, and its issue is open"
    if record.status is Status.BLOCKED:
        return _stuck_behind(record)
    return ""


def _stuck_behind(record: TaskRecord) -> str:
    """Name the first blocker that does not go on by itself; what keeps that one is said there."""
    found = next((one for one in open_blockers(record.blockers) if one.stuck or one.state is NodeState.DROPPED), None)
    return f"it waits for {describe_issue(found.task, record.task)}, which does not go on by itself" if found else ""


def as_blocker(record: TaskRecord, dependent: TaskRef) -> Effect:
    """Tell a task that waits for this one how this one stands."""
    return Send(event=BlockerMoved(task=dependent, blocker=record.task, state=issue_state(record), stuck=stuck(record)))


def as_child(record: TaskRecord, parent: TaskRef) -> ChildMoved:
    """Tell the parent how the task stands."""
    return ChildMoved(
        task=parent,
        child=record.task,
        state=issue_state(record),
        status=record.status,
        why=one_line(record.why, LONGEST_WHY),
        cost=record.cost if record.runs or record.folded.runs else NOTHING,
        runs=len(record.runs) + record.folded.runs,
        pull=record.pull,
        waits_for=tuple(describe_issue(one.task, parent) for one in record.blockers),
        stuck=record.status is Status.BLOCKED and any(one.state is NodeState.DROPPED for one in record.blockers),
    )


def _to_parent(before: TaskRecord | None, after: TaskRecord) -> tuple[Effect, ...]:
    if after.parent is None:
        return ()
    news = as_child(after, after.parent)
    same = before is not None and before.parent == after.parent and as_child(before, after.parent) == news
    return () if same else (Send(event=news),)


def _to_dependents(before: TaskRecord | None, after: TaskRecord) -> tuple[Effect, ...]:
    if before is not None and (issue_state(before), stuck(before)) == (issue_state(after), stuck(after)):
        return ()
    return tuple(as_blocker(after, dependent) for dependent in after.dependents)


def _to_blockers(before: TaskRecord | None, after: TaskRecord) -> tuple[Effect, ...]:
    """Ask those that it waits for from now on how they stand; they tell of each change from then on."""
    known = before.blockers if before else ()
    new = (one for one in open_blockers(after.blockers) if not _is_among(one, known))
    return tuple(Send(event=DependentWaits(task=one.task, dependent=after.task)) for one in new)


def _to_admission(before: TaskRecord | None, after: TaskRecord) -> tuple[Effect, ...]:
    """Give paths free that the task needs no more, and hold those that it was seen to touch besides."""
    held = before is not None and holds_paths(before)
    if held and not holds_paths(after):
        return (Send(event=LocksReleased(task=after.task)),)
    if held and before is not None and before.locks != after.locks:
        return (keep_paths(after),)
    return ()


def _is_among(blocker: Blocker, known: tuple[Blocker, ...]) -> bool:
    return any(is_same(blocker.task, one.task) for one in known)


def _down(before: TaskRecord | None, after: TaskRecord) -> tuple[Effect, ...]:
    """Stop the children with their parent, and let them go on with it."""
    if before is None or after.graph is None or not after.graph.started or before.status is after.status:
        return ()
    word = _word(after)
    if word is None:
        return ()
    refs = (node.ref(after.task) for node in after.graph.open if node.key or node.status is not None)
    return tuple(Send(event=ParentSaid(task=ref, parent=after.task, word=word)) for ref in refs)


def _word(after: TaskRecord) -> Literal["stop", "resume", "cancel"] | None:
    match after.status:
        case Status.PAUSED:
            return "stop"
        case Status.CANCELLED:
            return "cancel"
        case Status.DONE:
            return "stop"
        case Status.BLOCKED:
            return "resume"
    return None
