"""What people read of a parent's sub-issues in its living comment."""

from collections import Counter

from app.domain.blocked import asking_children, describe_progress, enumerate_names
from app.domain.graph import Graph, Node, NodeState, describe_issue
from app.domain.mermaid import COLOURS, Box, draw, is_worth_drawing
from app.domain.names import TaskRef
from app.domain.record import TaskRecord
from app.domain.tables import dollars, plain, table
from app.domain.task import AT_WORK, Status
from app.domain.text import sentence

MOST_LISTED = 100
MOST_DRAWN = 40
ASKING_SHOWN = 10
LONGEST_REASON = 160
_HEADS = ("sub-issue", "status", "waits for", "pull request", "cost")
_SAYS = {
    "closed": "closed",
    "dropped": "closed, but not as completed",
    "person": "a person must act",
    "work": "at work",
    "review": "in review",
    "waits": "waits",
    "others": "open, not Orch's",
}


def render_graph(record: TaskRecord, *, brief: bool = False) -> list[str]:
    """Render how a parent's sub-issues stand; with `brief`, or for very many, how many stand how."""
    graph = record.graph
    if graph is None:
        return []
    if not graph.started:
        planned = len(record.plan.kept) if record.plan else 0
        return [f"**{len(graph.nodes)} of {planned} sub-issues were created.**"]
    progress = describe_progress(graph)
    head = [*([] if progress in record.why else [f"**{progress}**"]), *_asking(record, graph)]
    if brief or len(graph.nodes) > MOST_LISTED:
        return [*head, _counted(graph)]
    return [*head, *_listed(record, graph)]


def _asking(record: TaskRecord, graph: Graph) -> list[str]:
    # What was stopped with its parent goes on with it.
    paused = record.status is Status.PAUSED
    asking = [node for node in asking_children(graph) if not (paused and node.status is Status.PAUSED)]
    lines = [
        f"* {node.name(record.task)} is {_status(node)}: "
        f"{sentence(node.why, LONGEST_REASON) if node.why else 'see there.'}"
        for node in asking[:ASKING_SHOWN]
    ]
    more = [f"* and {len(asking) - ASKING_SHOWN} more"] if len(asking) > ASKING_SHOWN else []
    return ["\n".join(["A person with write access must act on these:", "", *lines, *more])] if lines else []


def _counted(graph: Graph) -> str:
    counts = Counter(_status(node) for node in graph.nodes)
    return table(("status", "sub-issues"), [(status, str(count)) for status, count in sorted(counts.items())])


def _listed(record: TaskRecord, graph: Graph) -> list[str]:
    if not graph.nodes:
        return []
    names = {node.name(record.task): node for node in graph.nodes}
    closed = {name for name, node in names.items() if node.state is NodeState.COMPLETED}
    rows = [_row(name, node, closed, record.task) for name, node in names.items()]
    return [table(_HEADS, rows), *_drawn(names)]


def _row(name: str, node: Node, closed: set[str], parent: TaskRef) -> tuple[str, ...]:
    waits = [one for one in node.waits_for if one not in closed] if node.state is NodeState.OPEN else []
    pull = node.ref(parent).model_copy(update={"number": node.pull}) if node.pull else None
    return (
        f"{name} {plain(node.title, 80)}".strip(),
        _status(node),
        enumerate_names(waits),
        describe_issue(pull, parent) if pull else "",
        _cost(node),
    )


def _cost(node: Node) -> str:
    return "" if not node.runs and node.cost is not None else dollars(node.cost)


def _status(node: Node) -> str:
    if node.state is not NodeState.OPEN:
        return _SAYS[kind_of(node)]
    if node.status is None:
        return _SAYS["others"]
    return f"`{node.status.value}`, but open" if node.status.is_final else f"`{node.status.value}`"


def _drawn(names: dict[str, Node]) -> list[str]:
    boxes = [Box(name, node.title, node.waits_for, node.number, kind_of(node)) for name, node in names.items()]
    if not is_worth_drawing(boxes, MOST_DRAWN):
        return []
    used = {box.kind for box in boxes}
    legend = "; ".join(f"{colour}: {_SAYS[kind]}" for kind, (colour, _) in COLOURS.items() if kind in used)
    return [draw(boxes), f"{legend[:1].upper()}{legend[1:]}."]


def kind_of(node: Node) -> str:
    """Say which of the drawing's kinds a child is."""
    if node.state is not NodeState.OPEN:
        return "closed" if node.state is NodeState.COMPLETED else "dropped"
    if node.status is None:
        return "others"
    if node.status in AT_WORK:
        return "work"
    if node.status is Status.IN_REVIEW:
        return "review"
    return "waits" if node.status in (Status.NEW, Status.BLOCKED) and not node.stuck else "person"
