"""Parents and children, with defaults."""

from typing import Any

from app.domain.graph import Blocker, Graph, Node
from app.domain.jobs import Purpose
from app.domain.plan import Plan, PlannedChild
from app.domain.proposal import Proposal, propose
from app.domain.record import TaskRecord
from app.domain.task import Status
from tests.unit import build

PARENT = build.task(5)
DIGEST = "d" * 64
PROGRESS = "{} of {} sub-issues are closed."


def planned_child(key: str = "a", *after: str, **changes: Any) -> PlannedChild:
    made = PlannedChild(
        key=key,
        title=f"Do {key}",
        body=f"What {key} is about, at length.",
        acceptance=("It works.",),
        paths=(f"src/{key}",),
        role=None,
        complexity=None,
        agent=None,
        depends_on=after,
    )
    return made.model_copy(update=changes)


def plan(*children: PlannedChild) -> Plan:
    return Plan(summary="In two steps.", children=children or (planned_child("a"), planned_child("b", "a")))


def proposal(*children: PlannedChild, **changes: Any) -> Proposal:
    return propose(plan(*children), DIGEST).model_copy(update=changes)


def node(key: str = "a", number: int = 21, **changes: Any) -> Node:
    made = Node(number=number, id=number + 1000, key=key, digest=f"digest-{key}", title=f"Do {key}")
    return made.model_copy(update=changes)


def graph(*nodes: Node, started: bool = True, due: bool = False) -> Graph:
    return Graph(nodes=nodes or (node("a", 21), node("b", 22, waits_for=("#21",))), started=started, due=due)


def parent(status: Status = Status.BLOCKED, of: Graph | None = None, **changes: object) -> TaskRecord:
    """Make the record of a task whose plan was approved and whose sub-issues are worked on."""
    known: dict[str, object] = {"plan": proposal(approved_by="`writer`"), "purpose": Purpose.PLAN, "job_id": None}
    return build.record(status, graph=of or graph(), **{**known, **changes})


def blocked(*numbers: int, status: Status = Status.BLOCKED, **changes: object) -> TaskRecord:
    """Make the record of a task that waits for issues."""
    blockers = tuple(blocker(number) for number in numbers or (7,))
    return build.record(status, **{"blockers": blockers, "job_id": None, **changes})


def blocker(number: int = 7, **changes: Any) -> Blocker:
    return Blocker(task=build.task(number)).model_copy(update=changes)
