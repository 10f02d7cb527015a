"""A parent and its children: the parent waits for them, shows how they stand, and ends as they do."""

from collections.abc import Sequence
from dataclasses import replace

from app.domain.blocked import describe_children, describe_progress, enumerate_names, is_planned
from app.domain.effects import AddComment, CloseIssue, Decision, Effect, Send, nothing
from app.domain.facts import SubIssue
from app.domain.graph import Graph, Node, NodeState, in_known_order, read_graph
from app.domain.graph_events import BlockerMoved, ChildMoved, ChildWanted, GraphDue, GraphShown
from app.domain.jobs import Purpose
from app.domain.life import tidy
from app.domain.names import TaskRef, digest_of
from app.domain.outcomes import RunResult
from app.domain.proposal import Item
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.planning import creation
from app.domain.strategies.starting import SHOW, begin, resume, show_soon
from app.domain.task import Status, Trigger
from app.domain.text import one_line, quote, sentence

SHOWN_EVERY = 5
"""How many times `settle` may pass before the living comment shows what children told."""


def start_children(record: TaskRecord, graph: Graph, snapshot: Snapshot) -> Decision:
    """Have every planned child worked on, each as soon as what it depends on is done."""
    assert record.plan is not None
    items = {item.key: item for item in record.plan.kept}
    nodes = {node.key: node for node in graph.nodes if node.key}
    open_ = [key for key in items if key in nodes and nodes[key].state is NodeState.OPEN]
    wanted = tuple(Send(event=_wanted(record, items[key], nodes, snapshot)) for key in open_)
    started = record.change(graph=graph.model_copy(update={"started": True}), why=describe_children(record, graph))
    return Decision(f"{len(wanted)} sub-issues were created", started, (*wanted, *SHOW))


def _wanted(record: TaskRecord, item: Item, nodes: dict[str, Node], snapshot: Snapshot) -> ChildWanted:
    node = nodes[item.key]
    return ChildWanted(
        task=node.ref(record.task),
        parent=record.task,
        title=node.title,
        digest=node.digest,
        requested_by=record.requested_by,
        requested_by_id=record.requested_by_id,
        blockers=tuple(nodes[key].ref(record.task) for key in item.depends_on if _is_awaited(nodes.get(key))),
        locks=item.paths,
        agent=item.agent if item.agent in snapshot.policy.agents else None,
        complexity=item.complexity,
        role=item.role,
        held=snapshot.policy.autonomy == "manual",
        hands_off=snapshot.policy.autonomy == "full",
    )


def _is_awaited(node: Node | None) -> bool:
    return node is not None and node.state is not NodeState.COMPLETED


def follow_child(record: TaskRecord, graph: Graph, event: ChildMoved, snapshot: Snapshot) -> Decision:
    """Take over what a child says of itself, and what follows for the whole."""
    node = graph.find(event.child, record.task)
    if node is None:
        return nothing("the issue is none of its sub-issues")
    news: dict[str, object] = {"state": event.state}
    if event.status is not None:
        news |= {name: getattr(event, name) for name in ("status", "why", "cost", "runs", "pull", "stuck")}
        news["waits_for"] = node.waits_for if event.waits_for is None else in_known_order(event.waits_for, node)
    after = graph.change(node, **news)
    if after == graph:
        return nothing("that is known")
    followed = _follow(record, after, snapshot, str(event.child))
    calls = (_call_for(record, node, event.why),) if event.stuck and not node.stuck else ()
    return replace(followed, effects=(*followed.effects, *calls))


def _call_for(record: TaskRecord, node: Node, why: str) -> Effect:
    """Call a person to a child that can never begin as things are: nothing else on GitHub would tell him."""
    name = node.name(record.task)
    body = f"{name} does not go on by itself. {why} It goes on then; closing {name} goes on without it."
    return AddComment(task=record.task, key=f"stuck-{node.number}-{digest_of('', why)[:8]}", body=body)


def follow_links(record: TaskRecord, graph: Graph, found: Sequence[SubIssue], snapshot: Snapshot) -> Decision:
    """Take over which sub-issues there are now, as people made it."""
    after = read_graph(found, graph, record.task)
    if after == graph:
        return nothing("its sub-issues are those that are known")
    return _follow(record, after, snapshot, is_fresh=True)


def evaluate(record: TaskRecord, graph: Graph, snapshot: Snapshot) -> Decision:
    """See whether all is done, by what GitHub says now if it was asked."""
    seen = graph if snapshot.children is None else _as_told(read_graph(snapshot.children, graph, record.task), graph)
    return _follow(record, seen, snapshot, is_fresh=True)


def _as_told(seen: Graph, known: Graph) -> Graph:
    """Believe a task that says that it ended over a list that may be late."""
    ended = {(one.repository, one.number): one.state for one in known.nodes if one.status and one.status.is_final}
    nodes = tuple(
        one.model_copy(update={"state": ended.get((one.repository, one.number), one.state)}) for one in seen.nodes
    )
    return seen.model_copy(update={"nodes": nodes})


def _follow(
    record: TaskRecord, graph: Graph, snapshot: Snapshot, whose: str = "", *, is_fresh: bool = False
) -> Decision:
    """Go on waiting, or come to the end; that takes a fresh look, as no webhook may have told of what was added."""
    changed = record.change(graph=graph)
    if not graph.started or record.status.is_final:
        shown, effects = _show(changed, graph, snapshot)
        return Decision("its sub-issues changed", shown, effects)
    if graph.open:
        return _go_on_waiting(changed, graph, snapshot, whose)
    if record.status is not Status.BLOCKED:
        shown, effects = _show(changed, graph, snapshot)
        return Decision("its sub-issues are closed", shown, effects)
    if not is_fresh:
        return Decision(
            "its sub-issues are closed, as far as known", changed, (Send(event=GraphDue(task=record.task)),)
        )
    return _end(changed, graph, snapshot)


def _go_on_waiting(record: TaskRecord, graph: Graph, snapshot: Snapshot, whose: str) -> Decision:
    """Wait, or wait again: what was about the whole is void while a part of it is open."""
    why = describe_children(record, graph)
    if record.status is Status.BLOCKED:
        shown, effects = _show(record.change(why=why), graph, snapshot)
        return Decision(f"{whose or 'a sub-issue'} changed", shown, effects)
    if record.status is Status.NEEDS_REVIEW and record.asked is None:
        return Decision("a sub-issue is open again", record.advance(Trigger.BLOCK, why, job_id=None), SHOW)
    shown, effects = _show(record, graph, snapshot)
    return Decision("a sub-issue changed", shown, effects)


def _show(record: TaskRecord, graph: Graph, snapshot: Snapshot) -> tuple[TaskRecord, tuple[Effect, ...]]:
    """Show it a little later, so that much that happens is shown once."""
    due = record.change(graph=graph.model_copy(update={"due": True}))
    if graph.due:
        return due, ()
    return due, (Send(event=GraphShown(task=record.task), delay=snapshot.policy.settle * SHOWN_EVERY),)


def _end(record: TaskRecord, graph: Graph, snapshot: Snapshot) -> Decision:
    """End as the children say: check the whole if all were completed, and ask a person about what was dropped."""
    dropped = [node for node in graph.nodes if node.state is NodeState.DROPPED]
    if dropped or not graph.nodes:
        return _ask_about(record, dropped)
    if snapshot.policy.integration:
        return integrate(record, snapshot)
    return complete(record, "All sub-issues are closed as completed.")


def _ask_about(record: TaskRecord, dropped: Sequence[Node]) -> Decision:
    names = enumerate_names([node.name(record.task) for node in dropped])
    what = (
        f"{names} {'was' if len(dropped) == 1 else 'were'} closed, but not as completed" if dropped else "none is left"
    )
    why = (
        f"All sub-issues are closed: {what}. A person with write access says `/approve` if the rest is enough, or "
        "reopens or adds sub-issues."
    )
    call = AddComment(task=record.task, key=f"dropped-{record.attempt}-{len(dropped)}", body=why)
    return Decision("sub-issues were dropped", record.advance(Trigger.PARK, why), (*SHOW, call))


def integrate(record: TaskRecord, snapshot: Snapshot) -> Decision:
    """Have an agent check the whole on the base branch."""
    why = "All sub-issues are closed, so an agent checks the whole by its acceptance criteria."
    routed, effects = begin(record, snapshot, why, purpose=Purpose.INTEGRATION)
    return Decision(why, routed, (*effects, *show_soon(routed, snapshot)))


def checked(record: TaskRecord, result: RunResult, first: tuple[Effect, ...]) -> Decision:
    """Finish what an integration run found to be as it should be; else a person must act."""
    verdict = result.verdict
    if record.graph is not None and record.graph.open:
        blocked = record.advance(Trigger.BLOCK, describe_children(record, record.graph), job_id=None)
        return Decision("a sub-issue is open again", blocked, (*first, *SHOW))
    if verdict is not None and verdict.met:
        done = complete(
            record, f"All sub-issues are closed, and the whole was checked: {sentence(verdict.summary, 300)}"
        )
        return Decision(done.why, done.record, (*first, *done.effects))
    unmet = [one for one in verdict.criteria if not one.met] if verdict else []
    lines = [f"* {one_line(one.text, 300)}: {one_line(one.why, 300)}" for one in unmet]
    count = f"{len(unmet)} acceptance criteria are not met" if unmet else "no acceptance criterion was checked"
    why = (
        f"All sub-issues are closed, but {count}. A person with write access adds "
        "sub-issues for what is missing, or says `/approve` if it is enough, or `/retry` to have it checked again."
    )
    said = quote(verdict.summary) if verdict else ""
    call = AddComment(
        task=record.task, key=f"checked-{record.attempt}", body="\n\n".join([why, "\n".join(lines), said])
    )
    return Decision("not all criteria are met", record.advance(Trigger.PARK, why), (*first, *SHOW, call))


def complete(record: TaskRecord, why: str) -> Decision:
    """Close the parent: it is done with its children."""
    done = record.advance(Trigger.COMPLETE, why)
    return Decision(why, done, (CloseIssue(), *tidy(record), *SHOW))


def go_on(record: TaskRecord, graph: Graph, snapshot: Snapshot, why: str) -> Decision:
    """Wait for the children again after the parent was stopped or parked, or go on to its end.

    Where it was stopped before they were started, those that are missing are created first.
    """
    if not graph.started:
        blocked = record.advance(Trigger.BLOCK, why, job_id=None)
        return Decision(why, blocked, (*SHOW, *creation(blocked, looks=True)))
    if graph.open:
        blocked = record.advance(Trigger.BLOCK, f"{why} {describe_progress(graph)}", job_id=None)
        return Decision(why, blocked, SHOW)
    if snapshot.policy.integration:
        return integrate(record, snapshot)
    return complete(record, "All sub-issues are closed.")


def resume_whole(record: TaskRecord, snapshot: Snapshot, why: str) -> Decision:
    """Go on with what a task was about when it stopped: with its sub-issues, if it is done by them."""
    if is_planned(record):
        return go_on(record, record.graph or Graph(), snapshot, why)
    return resume(record, snapshot, why)


def tell_about(issue: TaskRef, state: NodeState, blocking: Sequence[TaskRef], parent: TaskRef | None) -> Decision:
    """Tell those who wait for an issue that is no task, and its parent, how it stands."""
    told: list[Effect] = [Send(event=BlockerMoved(task=one, blocker=issue, state=state)) for one in blocking]
    if parent is not None:
        told.append(Send(event=ChildMoved(task=parent, child=issue, state=state)))
    return (
        Decision(f"the issue is {state.value}", effects=tuple(told)) if told else nothing("nobody waits for the issue")
    )
