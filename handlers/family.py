"""Parents and their children: created, started, followed, shown, stopped together."""

from app.domain import life
from app.domain.admission_events import LockDoubted, LockFreed, LocksReleased, LockWaits
from app.domain.choice import Choice
from app.domain.effects import Decision, Send, UpsertComment, nothing
from app.domain.events import PullDue
from app.domain.facts import Actor
from app.domain.graph import Blocker, Graph, describe_issue, is_same
from app.domain.graph_events import ChildMoved, ChildWanted, GraphDue, GraphShown, ParentSaid
from app.domain.names import TaskRef
from app.domain.record import MergeWish, TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies import family
from app.domain.strategies.admitting import Request, admit
from app.domain.strategies.planning import is_created
from app.domain.strategies.starting import SHOW
from app.domain.task import Status, Trigger, can

BY_AUTONOMY = "the setting autonomy: full"


def child_wanted(event: ChildWanted, snapshot: Snapshot) -> Decision:
    """Take a planned sub-issue on, with its text as the plan has it."""
    record, issue = snapshot.record, snapshot.issue
    if record is not None:
        return _adopt(record, event.parent)
    if issue is not None and not issue.is_open:
        return nothing("the sub-issue was closed meanwhile")
    wish = MergeWish(by=BY_AUTONOMY, waits="It is merged once it is in review and green.")
    request = Request(
        task=event.task,
        actor=Actor(id=event.requested_by_id, login=event.requested_by, is_bot=False),
        title=event.title,
        body="",
        how=f"with the plan of {event.parent}",
        label=snapshot.policy.trigger,
        puts_on=True,
        digest=event.digest,
        more={
            "parent": event.parent,
            "blockers": tuple(Blocker(task=one) for one in event.blockers),
            "locks": event.locks,
            "choice": Choice(agent=event.agent),
            "complexity": event.complexity,
            "role": event.role,
            "held": event.held,
            "hands_off": event.hands_off,
            "merge": wish if event.hands_off else None,
        },
    )
    return admit(request, snapshot)


def _adopt(record: TaskRecord, parent: TaskRef) -> Decision:
    """Have a sub-issue that somebody made a task meanwhile tell its parent from now on."""
    if record.parent is not None:
        return nothing("the sub-issue is a task already")
    return Decision("the sub-issue is a task already, and knows its parent now", record.change(parent=parent))


def graph_due(event: GraphDue, snapshot: Snapshot) -> Decision:
    """Start the children once all are there; then see whether they are done."""
    record = snapshot.record
    if record is None or record.graph is None or record.plan is None or record.status is not Status.BLOCKED:
        return nothing("there is nothing to start")
    if not is_created(record):
        return family.start_children(record, record.graph, snapshot)
    return family.evaluate(record, record.graph, snapshot)


def child_moved(event: ChildMoved, snapshot: Snapshot) -> Decision:
    """Follow how a child stands."""
    record = snapshot.record
    if record is None or record.graph is None:
        return nothing("the issue has no plan that was approved")
    return family.follow_child(record, record.graph, event, snapshot)


def graph_shown(event: GraphShown, snapshot: Snapshot) -> Decision:
    """Show how the children stand by now."""
    record = snapshot.record
    if record is None or record.graph is None or not record.graph.due:
        return nothing("what is shown is what is")
    shown: Graph = record.graph.model_copy(update={"due": False})
    show = () if record.cut_off else (UpsertComment(),)
    return Decision("its sub-issues changed", record.change(graph=shown), show)


def parent_said(event: ParentSaid, snapshot: Snapshot) -> Decision:
    """Stop with the parent, go on with it, or end with it."""
    record = snapshot.record
    if record is None or record.parent is None or not is_same(record.parent, event.parent):
        return nothing("it is no part of that")
    parent = describe_issue(event.parent, record.task)
    match event.word:
        case "stop" if can(record.status, Trigger.PAUSE):
            why = f"{parent}, which it is a part of, was stopped or ended. `/resume` goes on with this one alone."
            paused = record.advance(Trigger.PAUSE, why, **{**life.stopped(record), "stop_keeps": True, "halted": True})
            return Decision("its parent was stopped", paused, (*life.stop(record), *SHOW))
        case "stop" if record.goes_on:
            return Decision("its parent was stopped again", record.change(goes_on=False))
        case "resume" if record.status is Status.PAUSED and record.halted:
            return _go_on(record, event, snapshot)
        case "cancel" if can(record.status, Trigger.CANCEL):
            why = f"{parent}, which it is a part of, was cancelled. `/retry` takes this one up again."
            ended = record.advance(Trigger.CANCEL, why, **life.stopped(record), left_open=True)
            return Decision("its parent was cancelled", ended, (*life.stop(record), *life.tidy(record), *SHOW))
    return nothing(f"the task is {record.status.value}")


def _go_on(halted: TaskRecord, event: ParentSaid, snapshot: Snapshot) -> Decision:
    """Go on, once a run that was stopped has come to its end: it keeps what it did."""
    if not life.must_have_ended(halted, snapshot.now):
        return Decision("its run is still coming to its end", halted.change(goes_on=True))
    record = halted.change(halted=False)
    if life.has_open_pull(record) and record.runs and record.stopping is None:
        why = f"Pull request #{record.pull} waits for review."
        wish = MergeWish(by=BY_AUTONOMY) if record.hands_off else None
        look = (Send(event=PullDue(task=record.task)),) if wish else ()
        return Decision("the review goes on", record.advance(Trigger.REVIEW, why, merge=wish), (*SHOW, *look))
    parent = describe_issue(event.parent, record.task)
    return family.resume_whole(
        record, snapshot, f"{parent}, which it is a part of, goes on; the task waits for a runner."
    )


def lock_waits(event: LockWaits, snapshot: Snapshot) -> Decision:
    """Say that the task waits for a path on which another one works."""
    record = snapshot.record
    if record is None or record.job_id != event.job_id or record.status not in (Status.ROUTED, Status.BLOCKED):
        return nothing("the task waits for no path any more")
    why = f"It waits for #{event.holder}, which works on `{event.path}` too and holds it until it is merged or ends."
    return Decision(
        "a path is locked", record.advance(Trigger.BLOCK, why, lock_holder=event.holder, merge=record.merge), SHOW
    )


def lock_freed(event: LockFreed, snapshot: Snapshot) -> Decision:
    """Go on, as the path is free and the task has its slot."""
    record = snapshot.record
    if record is None or record.job_id != event.job_id or record.status is not Status.BLOCKED:
        return nothing("the task waits for no path any more")
    why = "The paths that it works on are free; the task waits for a runner."
    return Decision("the path is free", record.advance(Trigger.ROUTE, why, lock_holder=None), SHOW)


def lock_doubted(event: LockDoubted, snapshot: Snapshot) -> Decision:
    """Say whether the task still needs the paths that it holds."""
    record = snapshot.record
    if record is not None and life.holds_paths(record):
        return Decision("its paths are still its own", effects=(life.keep_paths(record),))
    return Decision("its paths are free", effects=(Send(event=LocksReleased(task=event.task)),))


def _spares(event: GraphDue, record: TaskRecord | None) -> frozenset[Need]:
    """Look at GitHub only where all may be done: what was just created is known."""
    ends = record is not None and record.graph is not None and record.graph.started and not record.graph.open
    return frozenset() if ends else frozenset({Need.CHILDREN})


def _only_known(event: object, snapshot: Snapshot) -> bool:
    return True


_READ = frozenset({Need.RECORD, Need.CONFIG})

HANDLERS = (
    Handler(ChildWanted, _READ | {Need.ISSUE, Need.POOL}, child_wanted),
    Handler(GraphDue, _READ | {Need.CHILDREN}, graph_due, only_known=_only_known, spares=_spares),
    Handler(ChildMoved, _READ, child_moved, only_known=_only_known),
    Handler(GraphShown, frozenset({Need.RECORD}), graph_shown, only_known=_only_known),
    Handler(ParentSaid, _READ, parent_said, only_known=_only_known),
    Handler(LockWaits, frozenset({Need.RECORD}), lock_waits, only_known=_only_known),
    Handler(LockFreed, frozenset({Need.RECORD}), lock_freed, only_known=_only_known),
    Handler(LockDoubted, frozenset({Need.RECORD}), lock_doubted),
)
