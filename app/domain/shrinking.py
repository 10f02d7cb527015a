"""What a record can do without in the living comment's marker, which has to fit there whole.

First goes what GitHub or others tell again, then summaries of old runs and what was heard, then what only people read.
Paths that a task holds become the whole repository: never is less held than before.
"""

from app.domain.graph import Graph, Node
from app.domain.locks import WHOLE
from app.domain.proposal import Proposal
from app.domain.record import TaskRecord

SHORT = 60
SHORTER = 20
FEW = 5


def lighten(record: TaskRecord) -> TaskRecord:
    """Return the record without what its children, its blockers and GitHub tell again."""
    blockers = tuple(one.model_copy(update={"stuck": one.stuck[:SHORT]}) for one in record.blockers)
    return record.change(blockers=blockers, graph=_shorten(record.graph, SHORT, FEW))


def shrink(record: TaskRecord) -> TaskRecord:
    """Return the next smaller record; the same if there is none."""
    if len(record.runs) > 1:
        return record.fold(len(record.runs) // 8 + 1)
    if (forgetful := record.forget()) != record:
        return forgetful
    runs = tuple(run.model_copy(update={"reason": run.reason[:SHORT]}) for run in record.runs)
    if runs != record.runs:
        return record.change(runs=runs)
    return _say_less(record)


def _say_less(record: TaskRecord) -> TaskRecord:
    blockers = tuple(one.model_copy(update={"stuck": ""}) for one in record.blockers)
    plan, graph = record.plan, record.graph
    short = record.change(
        blockers=blockers,
        title=record.title[:SHORTER],
        strayed=(),
        plan=_shorten_plan(plan) if plan else None,
        graph=_shorten(graph, SHORTER, 0),
    )
    if short != record:
        return short
    least = {name: getattr(record, name)[:SHORTER] for name in ("title", "why", "notice")}
    wide = record.change(
        locks=(WHOLE,) if record.locks else (),
        plan=_widen(plan) if plan else None,
        graph=_shorten(graph, 0, 0),
        **least,
    )
    return wide if wide != record else record.fold(len(record.runs))


def _shorten(graph: Graph | None, title: int, waits: int) -> Graph | None:
    if graph is None:
        return None
    nodes = tuple(_shorten_node(node, title, waits) for node in graph.nodes)
    return graph.model_copy(update={"nodes": nodes})


def _shorten_node(node: Node, title: int, waits: int) -> Node:
    return node.model_copy(update={"why": "", "title": node.title[:title], "waits_for": node.waits_for[:waits]})


def _shorten_plan(plan: Proposal) -> Proposal:
    items = tuple(item.model_copy(update={"title": item.title[:SHORTER]}) for item in plan.items)
    return plan.model_copy(update={"items": items, "summary": plan.summary[:SHORTER]})


def _widen(plan: Proposal) -> Proposal:
    items = tuple(item.model_copy(update={"paths": (WHOLE,) if item.paths else ()}) for item in plan.items)
    return plan.model_copy(update={"items": items})
