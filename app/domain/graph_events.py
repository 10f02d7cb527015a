"""What tasks tell each other: children their parent, blockers those who wait for them, parents their children."""

from decimal import Decimal
from typing import Literal

from app.domain.complexity import Complexity
from app.domain.graph import NodeState
from app.domain.names import TaskRef
from app.domain.task import Status
from app.domain.task_events import TaskEvent


class ChildWanted(TaskEvent):
    """A planned sub-issue was created, and is to be worked on as its plan says; `digest` is that of its text.

    `held` says that a person starts it, `hands_off` that its pull request is merged as soon as that can be.
    """

    type: Literal["child_wanted"] = "child_wanted"
    parent: TaskRef
    title: str
    digest: str
    requested_by: str
    requested_by_id: int
    blockers: tuple[TaskRef, ...] = ()
    locks: tuple[str, ...] = ()
    agent: str | None = None
    complexity: Complexity | None = None
    role: str | None = None
    held: bool = False
    hands_off: bool = False


class ChildMoved(TaskEvent):
    """A child of the task stands elsewhere, or spent more; `status` None says that it is no task of Orch's."""

    type: Literal["child_moved"] = "child_moved"
    child: TaskRef
    state: NodeState
    status: Status | None = None
    why: str = ""
    cost: Decimal | None = Decimal(0)
    runs: int = 0
    pull: int | None = None
    waits_for: tuple[str, ...] | None = None
    stuck: bool = False


class BlockerMoved(TaskEvent):
    """An issue that may block the task was closed or reopened, or does not go on by itself (any more)."""

    type: Literal["blocker_moved"] = "blocker_moved"
    blocker: TaskRef
    state: NodeState
    stuck: str = ""


class DependentWaits(TaskEvent):
    """Another task waits for this one, and wants to know how it stands."""

    type: Literal["dependent_waits"] = "dependent_waits"
    dependent: TaskRef


class IssueMoved(TaskEvent):
    """An issue that is no task was closed or reopened: others may wait for it, `blocking` as GitHub counts them."""

    type: Literal["issue_moved"] = "issue_moved"
    state: NodeState
    blocking: int = 0
    parent: int | None = None


class ParentSaid(TaskEvent):
    """The parent of the task was stopped, set going again, or ended."""

    type: Literal["parent_said"] = "parent_said"
    parent: TaskRef
    word: Literal["stop", "resume", "cancel"]


class GraphDue(TaskEvent):
    """Look whether the children of the task are to be started, or are done."""

    type: Literal["graph_due"] = "graph_due"


class GraphShown(TaskEvent):
    """Show how the children stand by now."""

    type: Literal["graph_shown"] = "graph_shown"
