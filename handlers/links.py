"""Links between issues, which people make and take away on GitHub: who blocks whom, and whose part an issue is."""

from dataclasses import replace

from app.domain.effects import Decision, Send, nothing
from app.domain.events import BlockersChanged, BlockingChanged, ParentChanged, SubIssuesChanged
from app.domain.graph import is_same, read_blockers
from app.domain.graph_events import BlockerMoved, DependentWaits, IssueMoved
from app.domain.names import TaskRef
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies.family import follow_links, tell_about
from app.domain.strategies.telling import as_blocker
from app.domain.strategies.waiting import follow_blockers

MOST_DEPENDENTS = 50
NO_TASK = nothing("the issue is no task")


def blockers_changed(event: BlockersChanged, snapshot: Snapshot) -> Decision:
    """Take over what blocks the task, as GitHub says now."""
    record = snapshot.record
    if record is None or snapshot.blockers is None:
        return NO_TASK
    after = record.change(blockers=read_blockers(snapshot.blockers, record.blockers))
    return nothing("what blocks it is known") if after == record else follow_blockers(after, snapshot)


def blocking_changed(event: BlockingChanged, snapshot: Snapshot) -> Decision:
    """Have the issue that is blocked, or was, look at what blocks it: the other side of the link tells the same."""
    changed = BlockersChanged(task=event.blocked, actor=event.actor)
    return Decision("a link to another issue was made or taken away", effects=(Send(event=changed),))


def blocker_moved(event: BlockerMoved, snapshot: Snapshot) -> Decision:
    """Take over how one of the task's blockers stands."""
    record = snapshot.record
    if record is None:
        return NO_TASK
    news = {"state": event.state, "stuck": event.stuck}
    blockers = tuple(
        one.model_copy(update=news) if is_same(one.task, event.blocker) else one for one in record.blockers
    )
    if blockers == record.blockers:
        return nothing("it is no blocker, or known to stand so")
    return follow_blockers(record.change(blockers=blockers), snapshot)


def dependent_waits(event: DependentWaits, snapshot: Snapshot) -> Decision:
    """Remember who waits for the task, and tell how it stands."""
    record = snapshot.record
    if record is None:
        return NO_TASK
    others = tuple(one for one in record.dependents if not is_same(one, event.dependent))
    after = record.change(dependents=(*others, event.dependent)[-MOST_DEPENDENTS:])
    return Decision(f"{event.dependent} waits for it", after, (as_blocker(after, event.dependent),))


def issue_moved(event: IssueMoved, snapshot: Snapshot) -> Decision:
    """Tell those who wait for an issue that it was closed or reopened."""
    repository = event.task.repository
    blocked = [TaskRef(repository=one.repository, number=one.number) for one in snapshot.blocking]
    parent = TaskRef(repository=repository, number=event.parent) if event.parent else None
    return tell_about(event.task, event.state, blocked, parent)


def parent_changed(event: ParentChanged, snapshot: Snapshot) -> Decision:
    """Remember whose part the task is."""
    record = snapshot.record
    if record is None:
        return NO_TASK
    is_parent = record.parent is not None and is_same(record.parent, event.parent)
    if event.added == is_parent or not (event.added or is_parent):
        return nothing("its parent is known")
    after = record.change(parent=event.parent if event.added else None)
    return Decision("it has another parent", after)


def sub_issues_changed(event: SubIssuesChanged, snapshot: Snapshot) -> Decision:
    """Take over which sub-issues a planned task has, as GitHub says now."""
    record = snapshot.record
    if record is None or record.graph is None or not record.graph.started or snapshot.children is None:
        return nothing("the issue has no plan whose sub-issues were started")
    return follow_links(record, record.graph, snapshot.children, snapshot)


def by_orch(event: SubIssuesChanged | ParentChanged | BlockersChanged, snapshot: Snapshot) -> str | None:
    """Skip links that Orch made itself."""
    return "Orch made the link itself" if event.actor.id == snapshot.identity.bot_id else None


def _unknown(event: object, snapshot: Snapshot) -> bool:
    """Look for no record on GitHub: an issue that the store does not know is found by the sweep."""
    return True


def _spares(event: IssueMoved, record: object) -> frozenset[Need]:
    return frozenset() if event.blocking else frozenset({Need.BLOCKING})


_HANDLERS = (
    Handler(BlockersChanged, frozenset({Need.RECORD, Need.CONFIG, Need.BLOCKERS}), blockers_changed, by_orch),
    Handler(BlockingChanged, frozenset(), blocking_changed, by_orch),
    Handler(BlockerMoved, frozenset({Need.RECORD, Need.CONFIG}), blocker_moved),
    Handler(DependentWaits, frozenset({Need.RECORD}), dependent_waits),
    Handler(ParentChanged, frozenset({Need.RECORD}), parent_changed, by_orch),
    Handler(SubIssuesChanged, frozenset({Need.RECORD, Need.CONFIG, Need.CHILDREN}), sub_issues_changed, by_orch),
)
HANDLERS = (
    *(replace(handler, only_known=_unknown) for handler in _HANDLERS),
    Handler(IssueMoved, frozenset({Need.BLOCKING}), issue_moved, spares=_spares),
)
