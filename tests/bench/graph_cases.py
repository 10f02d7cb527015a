"""Events in a graph of 100 sub-issues to decide on, again and again, each of them on the same records."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.domain.events import SubIssuesChanged
from app.domain.facts import LinkedIssue, SubIssue
from app.domain.graph import Blocker, Graph, Node, NodeState
from app.domain.graph_events import BlockerMoved, ChildMoved, GraphDue
from app.domain.names import TaskRef
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.task import Status
from handlers.registry import HANDLERS
from tests.bench.graph_story import Story
from tests.simulation.github import IDENTITY
from tests.simulation.issues import WRITER

BLOCKERS = 50
"""The most that GitHub takes."""


@dataclass(frozen=True, slots=True)
class Case:
    """Events of one kind, and what is known when they come."""

    name: str
    events: Sequence[Any]
    snapshot: Snapshot

    def decide(self, turn: int) -> Any:
        """Decide on one of the events, one after another."""
        event = self.events[turn % len(self.events)]
        return HANDLERS[type(event)].decide(event, self.snapshot)


def cases_of(story: Story) -> list[Case]:
    """List what is decided on; each changes something."""
    parent = story.parent
    assert parent.graph is not None
    moved = [_moved(parent, node, Status.IN_REVIEW, NodeState.OPEN) for node in parent.graph.nodes]
    last = parent.graph.nodes[-1]
    links = SubIssuesChanged(task=parent.task, actor=WRITER.actor, child=last.ref(parent.task), added=False)
    return [
        Case("a child moves", moved, _known(parent)),
        Case("the last child is done", [_done(parent, last)], _known(_but_last(parent, parent.graph))),
        Case("the children are started", [GraphDue(task=parent.task)], _known(_unstarted(parent, parent.graph))),
        Case("a look whether all is done", [GraphDue(task=parent.task)], _known(parent)),
        Case("its sub-issues change", [links], _known(parent, children=_children(parent, parent.graph)[:-1])),
        Case(f"one of {BLOCKERS} blockers moves", *_blocked(story)),
    ]


def _known(record: TaskRecord, **more: Any) -> Snapshot:
    policy = Policy(agents=("script",))
    return Snapshot(now=datetime.now(UTC), identity=IDENTITY, policy=policy, record=record, **more)


def _moved(parent: TaskRecord, node: Node, status: Status, state: NodeState) -> ChildMoved:
    return ChildMoved(
        task=parent.task,
        child=node.ref(parent.task),
        state=state,
        status=status,
        why="Pull request #500 waits for review.",
        cost=Decimal("1.25"),
        runs=node.runs + 1,
        pull=500,
        waits_for=node.waits_for,
    )


def _done(parent: TaskRecord, node: Node) -> ChildMoved:
    return _moved(parent, node, Status.DONE, NodeState.COMPLETED)


def _but_last(parent: TaskRecord, graph: Graph) -> TaskRecord:
    closed = tuple(node.model_copy(update={"state": NodeState.COMPLETED}) for node in graph.nodes[:-1])
    return parent.change(graph=graph.model_copy(update={"nodes": (*closed, graph.nodes[-1])}))


def _unstarted(parent: TaskRecord, graph: Graph) -> TaskRecord:
    return parent.change(graph=graph.model_copy(update={"started": False}))


def _children(parent: TaskRecord, graph: Graph) -> tuple[SubIssue, ...]:
    """Return what GitHub would say of the children."""
    linked = {f"#{node.number}": _linked(parent, node) for node in graph.nodes}
    return tuple(
        SubIssue(**dict(linked[f"#{node.number}"]), blocked_by=tuple(linked[name] for name in node.waits_for))
        for node in graph.nodes
    )


def _linked(parent: TaskRecord, node: Node) -> LinkedIssue:
    ref = node.ref(parent.task)
    return LinkedIssue(id=node.id, number=ref.number, repository=ref.repository, title=node.title, is_open=True)


def _blocked(story: Story) -> tuple[list[BlockerMoved], Snapshot]:
    """Let a child wait for as many issues as it can, and each of them be closed."""
    task = story.child.task
    others = [TaskRef(repository=task.repository, number=1000 + n) for n in range(BLOCKERS)]
    waiting = story.child.change(blockers=tuple(Blocker(task=one) for one in others))
    return [BlockerMoved(task=task, blocker=one, state=NodeState.COMPLETED) for one in others], _known(waiting)
