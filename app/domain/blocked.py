"""Why a task stands still, and who can help it on: one wording for those who decide and for those who show."""

from collections.abc import Sequence

from app.domain.graph import Blocker, Graph, Node, NodeState, describe_issue, open_blockers
from app.domain.outcomes import Outcome
from app.domain.plan import find_ring
from app.domain.record import TaskRecord
from app.domain.task import Status
from app.domain.text import one_line, sentence

NAMED = 5
_ASKING = (Status.NEEDS_REVIEW, Status.PAUSED)
_ACTS_NEXT = {
    Status.NEW: "Orch",
    Status.ROUTED: "Orch: the run starts as soon as a runner is free",
    Status.IN_PROGRESS: "Orch: an agent is at work",
    Status.IN_REVIEW: "a reviewer",
    Status.NEEDS_REVIEW: "a person with write access",
    Status.PAUSED: "a person with write access",
    Status.DONE: "nobody",
    Status.CANCELLED: "nobody",
}


def waits_for_approval(record: TaskRecord) -> bool:
    """Say whether the task stands still because nobody has agreed to its plan yet."""
    made = bool(record.runs) and record.runs[-1].outcome is Outcome.PLANNED
    return made and record.plan is not None and not record.plan.approved_by and record.status is Status.NEEDS_REVIEW


def is_planned(record: TaskRecord) -> bool:
    """Say whether the task is done by its sub-issues: its plan was approved, and they are created or worked on."""
    is_approved = record.plan is not None and bool(record.plan.approved_by)
    return is_approved or (record.graph is not None and record.graph.started)


def describe_blockers(record: TaskRecord) -> str:
    """Say what the task waits for, and who must act where that does not go on by itself."""
    waiting = open_blockers(record.blockers)
    verb = "is" if len(waiting) == 1 else "are"
    parts = [f"It waits until {name_blockers(record)} {verb} closed as completed."]
    return " ".join([*parts, *(_say(one, record) for one in _stuck(waiting)[:NAMED])])


def name_blockers(record: TaskRecord) -> str:
    """Name the issues that the task waits for, the first few of them."""
    return enumerate_names([describe_issue(one.task, record.task) for one in open_blockers(record.blockers)])


def enumerate_names(names: Sequence[str], most: int = NAMED) -> str:
    """List the first of many, and say how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def _stuck(waiting: Sequence[Blocker]) -> list[Blocker]:
    return [one for one in waiting if one.stuck or one.state is NodeState.DROPPED]


def _say(blocker: Blocker, record: TaskRecord) -> str:
    name = describe_issue(blocker.task, record.task)
    if blocker.state is NodeState.DROPPED:
        return (
            f"{name} was closed, but not as completed: a person reopens it, or takes it off the issues that block "
            "this one."
        )
    return f"{name} does not go on by itself: {sentence(blocker.stuck, 160)}"


def describe_children(record: TaskRecord, graph: Graph) -> str:
    """Say how far the children are, and what a person must do."""
    parts = [describe_progress(graph)]
    if ring := _ring(record, graph):
        parts.append(f"These wait for each other: {' → '.join(ring)}. A person takes one of the links out.")
    if asking := asking_children(graph):
        parts.append(f"A person must act on {_name(asking, record)}.")
    return " ".join(parts)


def describe_progress(graph: Graph) -> str:
    """Say how many of the children are closed."""
    total = len(graph.nodes)
    return f"{total - len(graph.open)} of {total} sub-issues are closed."


def asking_children(graph: Graph) -> list[Node]:
    """List the open children whose tasks wait for a person or for what was dropped, or ended with their issues open."""
    return [node for node in graph.open if node.stuck or (node.status and _asks(node.status))]


def _asks(status: Status) -> bool:
    return status in _ASKING or status.is_final


def _ring(record: TaskRecord, graph: Graph) -> tuple[str, ...] | None:
    names = {node.name(record.task): node for node in graph.open}
    return find_ring({name: [one for one in node.waits_for if one in names] for name, node in names.items()})


def _name(nodes: Sequence[Node], record: TaskRecord) -> str:
    return enumerate_names([node.name(record.task) for node in nodes])


def acts_next(record: TaskRecord) -> str:
    """Say who acts next, and where if that is not here."""
    if waits_for_approval(record):
        return "a person with write access: `/approve`, `/deny REASON` or `/plan CHANGE`"
    return _who_unblocks(record) if record.status is Status.BLOCKED else _ACTS_NEXT[record.status]


def _who_unblocks(record: TaskRecord) -> str:
    if record.graph is not None:
        return _who_acts_on_children(record, record.graph)
    if record.lock_holder is not None:
        return f"the task of #{record.lock_holder}, which holds a path that this one works on"
    if stuck := _stuck(open_blockers(record.blockers)):
        return f"a person, at {one_line(describe_issue(stuck[0].task, record.task))}"
    return "other tasks"


def _who_acts_on_children(record: TaskRecord, graph: Graph) -> str:
    if not graph.started:
        return "Orch: it creates the sub-issues"
    if asking := asking_children(graph):
        return f"a person with write access, on {_name(asking, record)}"
    if ring := _ring(record, graph):
        return f"a person, who takes one of the links between {enumerate_names(ring[:-1])} out"
    if graph.open and all(node.status is None for node in graph.open):
        return f"whoever works on {_name(graph.open, record)}, for Orch does not"
    if reviewed := [node for node in graph.open if node.status is Status.IN_REVIEW]:
        return f"its sub-issues; a reviewer, on {_name(reviewed, record)}"
    return "its sub-issues"
