"""What tasks wait for: the blockers of one task, and the graph of sub-issues that a parent keeps of its children."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum

from app.domain.base import Value
from app.domain.facts import LinkedIssue, SubIssue
from app.domain.names import Repository, TaskRef
from app.domain.task import Status

LONGEST_WHY = 200


class NodeState(StrEnum):
    """How an issue stands for those who wait for it; `dropped` is closed, and not as completed."""

    OPEN = "open"
    COMPLETED = "completed"
    DROPPED = "dropped"


def state_of(is_open: bool, state_reason: str | None) -> NodeState:
    """Return how an issue stands; one that was closed without a reason was completed, as GitHub has it."""
    if is_open:
        return NodeState.OPEN
    return NodeState.COMPLETED if state_reason in ("completed", None) else NodeState.DROPPED


class Blocker(Value):
    """An issue that must be closed as completed first. `stuck` says what keeps it from going on by itself."""

    task: TaskRef
    state: NodeState = NodeState.OPEN
    stuck: str = ""


class Node(Value):
    """A child: its issue, and what its task told last; `status` None is no task of Orch's.

    `repository` is None in the parent's own. `id` is the issue's database id, 0 where it is not known, `key` its name
    in the plan, `digest` that of its text as the plan has it. `waits_for` names the issues that block it, as
    `describe_issue` does, `stuck` that one of these was closed, but not as completed. `cost` is None if unknown.
    """

    number: int
    id: int = 0
    repository: Repository | None = None
    key: str = ""
    digest: str = ""
    title: str
    state: NodeState = NodeState.OPEN
    status: Status | None = None
    why: str = ""
    cost: Decimal | None = Decimal(0)
    runs: int = 0
    pull: int | None = None
    waits_for: tuple[str, ...] = ()
    stuck: bool = False

    def ref(self, parent: TaskRef) -> TaskRef:
        """Return the issue's identity."""
        return TaskRef(repository=self.repository or parent.repository, number=self.number)

    def name(self, parent: TaskRef) -> str:
        """Name the issue for people who read it in the parent."""
        return f"#{self.number}" if self.repository is None else describe_issue(self.ref(parent), parent)


class Graph(Value):
    """The children of a parent, in their order. `due` says that the living comment will be written anew soon."""

    nodes: tuple[Node, ...] = ()
    due: bool = False
    started: bool = False

    def find(self, child: TaskRef, parent: TaskRef) -> Node | None:
        """Return the node of an issue."""
        return self.by_identity(parent).get((child.repository.id, child.number))

    def by_identity(self, parent: TaskRef) -> dict[tuple[int, int], Node]:
        """Return the nodes by what never changes: the repository's id, and the number."""
        return {((node.repository or parent.repository).id, node.number): node for node in self.nodes}

    def change(self, node: Node, **changes: object) -> "Graph":
        """Return the graph with another version of a node."""
        changed = node.model_copy(update=changes)
        return self.model_copy(update={"nodes": tuple(changed if one is node else one for one in self.nodes)})

    @property
    def open(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.state is NodeState.OPEN)

    @property
    def cost(self) -> Decimal | None:
        """Sum what the children cost so far in US dollars; None as soon as that of one is unknown."""
        costs = [node.cost for node in self.nodes]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))


def is_same(one: TaskRef, other: TaskRef) -> bool:
    """Compare by what never changes: names of repositories do."""
    return one.number == other.number and one.repository.id == other.repository.id


def describe_issue(issue: TaskRef, beside: TaskRef) -> str:
    """Name an issue for people who read it in another one's repository."""
    return f"#{issue.number}" if issue.repository.id == beside.repository.id else str(issue)


def open_blockers(blockers: Iterable[Blocker]) -> tuple[Blocker, ...]:
    """List those that are not completed."""
    return tuple(one for one in blockers if one.state is not NodeState.COMPLETED)


def read_blockers(found: Sequence[LinkedIssue], known: Sequence[Blocker]) -> tuple[Blocker, ...]:
    """Return what GitHub says blocks an issue, with what the blockers told of themselves before."""
    stuck = {(one.task.repository.id, one.task.number): one.stuck for one in known}
    return tuple(
        Blocker(
            task=TaskRef(repository=one.repository, number=one.number),
            state=(state := state_of(one.is_open, one.state_reason)),
            stuck=stuck.get((one.repository.id, one.number), "") if state is NodeState.OPEN else "",
        )
        for one in found
    )


def read_graph(found: Sequence[SubIssue], known: Graph, parent: TaskRef) -> Graph:
    """Return what GitHub says are the children, with what their tasks told before."""
    before = known.by_identity(parent)
    nodes = (_node(one, before.get((one.repository.id, one.number)), parent) for one in found)
    return known.model_copy(update={"nodes": tuple(nodes)})


def in_known_order(waits_for: tuple[str, ...], node: Node) -> tuple[str, ...]:
    """Return what a node waits for: GitHub and the child's task name it in different orders, which is no news."""
    return node.waits_for if set(waits_for) == set(node.waits_for) else waits_for


def _node(found: SubIssue, known: Node | None, parent: TaskRef) -> Node:
    before = known or Node(number=found.number, title=found.title)
    waits_for = tuple(_name(one, parent) for one in found.blocked_by)
    news = {
        "id": found.id,
        "repository": None if found.repository.id == parent.repository.id else found.repository,
        "title": found.title,
        "state": state_of(found.is_open, found.state_reason),
        "waits_for": in_known_order(waits_for, before),
    }
    # Of a hundred children few changed, and copies cost more than looks.
    return before if all(getattr(before, name) == news[name] for name in news) else before.model_copy(update=news)


def _name(issue: LinkedIssue, beside: TaskRef) -> str:
    if issue.repository.id == beside.repository.id:
        return f"#{issue.number}"
    return describe_issue(TaskRef(repository=issue.repository, number=issue.number), beside)
