"""What others are told when a task's record changes, and that nobody is told twice."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.admission_events import LocksKept, LocksReleased
from app.domain.effects import Send
from app.domain.graph import LONGEST_WHY, Graph, NodeState
from app.domain.graph_events import BlockerMoved, ChildMoved, DependentWaits, ParentSaid
from app.domain.record import TaskRecord
from app.domain.strategies.telling import issue_state, stuck, told
from app.domain.task import Status
from tests.unit import build, families
from tests.unit.build import TASK
from tests.unit.families import PARENT, blocked, blocker, graph, node

DEPENDENT = build.task(30)
BEHIND = "it waits for #7, which does not go on by itself"


def child_of(status: Status, **changes: object) -> TaskRecord:
    return build.record(status, parent=PARENT, **changes)


def moved(status: Status, **changes: Any) -> Send:
    made = ChildMoved(task=PARENT, child=TASK, state=NodeState.OPEN, status=status, why="Because.", waits_for=())
    return Send(event=made.model_copy(update=changes))


def blocks(state: NodeState = NodeState.OPEN, stuck: str = "", dependent: Any = DEPENDENT) -> Send:
    return Send(event=BlockerMoved(task=dependent, blocker=TASK, state=state, stuck=stuck))


def said(word: Any, *numbers: int) -> tuple[Send, ...]:
    return tuple(Send(event=ParentSaid(task=build.task(number), parent=TASK, word=word)) for number in numbers)


@pytest.mark.parametrize(
    ("status", "left_open", "state"),
    [
        (Status.IN_REVIEW, False, NodeState.OPEN),
        (Status.DONE, False, NodeState.COMPLETED),
        (Status.CANCELLED, False, NodeState.DROPPED),
        (Status.DONE, True, NodeState.OPEN),
        (Status.CANCELLED, True, NodeState.OPEN),
    ],
)
def test_an_issue_stands_as_its_task_ended(status: Status, left_open: bool, state: NodeState) -> None:
    assert issue_state(build.record(status, left_open=left_open)) is state


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (build.record(Status.IN_REVIEW), ""),
        (build.record(Status.NEEDS_REVIEW), "it is needs review: Because."),
        (build.record(Status.PAUSED), "it is paused: Because."),
        (build.record(Status.CANCELLED, left_open=True), "it ended as cancelled, and its issue is open"),
        (build.record(Status.CANCELLED), ""),
        (blocked(7), ""),
        (blocked(blockers=(blocker(8), blocker(7, stuck="it is paused"))), BEHIND),
        (blocked(blockers=(blocker(7, state=NodeState.DROPPED),)), BEHIND),
    ],
)
def test_a_task_says_what_keeps_it_from_going_on_by_itself(known: TaskRecord, says: str) -> None:
    assert stuck(known) == says


def test_a_task_that_is_no_part_and_that_nobody_waits_for_tells_nobody() -> None:
    assert told(build.record(Status.ROUTED), build.record(Status.IN_PROGRESS)) == ()


def test_a_new_child_tells_its_parent_how_it_stands() -> None:
    assert told(None, child_of(Status.ROUTED)) == (moved(Status.ROUTED),)


def test_a_child_tells_its_parent_what_it_waits_for_what_it_cost_and_its_pull_request() -> None:
    after = child_of(Status.IN_REVIEW, blockers=(blocker(7),), runs=(build.summary(),), pull=30, why="w" * 300)
    news = moved(
        Status.IN_REVIEW,
        why="w" * (LONGEST_WHY - 1) + "…",
        cost=Decimal("0.25"),
        runs=1,
        pull=30,
        waits_for=("#7",),
    )
    assert told(after.change(pull=None), after) == (news,)


def test_i10_a_child_whose_cost_is_unknown_says_so() -> None:
    usage = build.USAGE.model_copy(update={"cost": None})
    after = child_of(Status.IN_PROGRESS, runs=(build.summary(usage=usage),))
    assert told(child_of(Status.IN_PROGRESS), after) == (moved(Status.IN_PROGRESS, cost=None, runs=1),)


def test_i2_what_a_parent_knows_is_not_told_again() -> None:
    assert told(child_of(Status.ROUTED), child_of(Status.ROUTED, attempt=2)) == ()


def test_another_parent_is_told_all() -> None:
    assert told(build.record(Status.ROUTED), child_of(Status.ROUTED)) == (moved(Status.ROUTED),)


def test_those_who_wait_are_told_of_the_end() -> None:
    waits = {"dependents": (DEPENDENT, build.task(31))}
    after = build.record(Status.DONE, **waits)
    everyone = tuple(blocks(NodeState.COMPLETED, dependent=build.task(number)) for number in (30, 31))
    assert told(build.record(Status.IN_REVIEW, **waits), after) == everyone


def test_those_who_wait_are_told_what_is_stuck_and_that_it_goes_on() -> None:
    going = build.record(Status.IN_PROGRESS, dependents=(DEPENDENT,))
    standing = build.record(Status.PAUSED, dependents=(DEPENDENT,))
    assert told(going, standing) == (blocks(stuck="it is paused: Because."),)
    assert told(standing, going) == (blocks(),)


def test_those_who_wait_are_not_told_of_each_step() -> None:
    waits = {"dependents": (DEPENDENT,)}
    assert told(build.record(Status.ROUTED, **waits), build.record(Status.IN_REVIEW, **waits)) == ()


def test_new_open_blockers_are_asked_how_they_stand() -> None:
    before = blocked(blockers=(blocker(7),))
    after = blocked(blockers=(blocker(7), blocker(8), blocker(9, state=NodeState.COMPLETED)))
    assert told(before, after) == (Send(event=DependentWaits(task=build.task(8), dependent=TASK)),)
    assert told(None, before) == (Send(event=DependentWaits(task=build.task(7), dependent=TASK)),)


def test_two_tasks_that_wait_for_each_other_come_to_rest() -> None:
    """Each is told once that the other does not go on, and what it says of itself then stays the same."""
    before = blocked(7, dependents=(build.task(7),))
    stands = blocked(blockers=(blocker(7, stuck="it is paused"),), dependents=(build.task(7),))
    echoed = blocked(blockers=(blocker(7, stuck=BEHIND),), dependents=(build.task(7),))
    assert told(before, stands) == (blocks(stuck=BEHIND, dependent=build.task(7)),)
    assert told(stands, echoed) == ()


@pytest.mark.parametrize(
    ("was", "status", "word"),
    [
        (Status.BLOCKED, Status.PAUSED, "stop"),
        (Status.BLOCKED, Status.CANCELLED, "cancel"),
        (Status.BLOCKED, Status.DONE, "stop"),
        (Status.PAUSED, Status.BLOCKED, "resume"),
        (Status.NEEDS_REVIEW, Status.BLOCKED, "resume"),
    ],
)
def test_children_stop_and_go_on_with_their_parent(was: Status, status: Status, word: str) -> None:
    nodes = (
        node("a", 21, state=NodeState.COMPLETED, status=Status.DONE),
        node("b", 22, status=Status.ROUTED),
        node("c", 23),
        node("", 24, status=Status.NEW),
    )
    before, after = families.parent(was, graph(*nodes)), families.parent(status, graph(*nodes))
    assert told(before, after) == said(word, 22, 23, 24)


def test_an_open_child_that_is_no_task_is_told_nothing() -> None:
    nodes = graph(node("", 24))
    assert told(families.parent(Status.BLOCKED, nodes), families.parent(Status.PAUSED, nodes)) == ()


@pytest.mark.parametrize(
    ("status", "of"),
    [(Status.NEEDS_REVIEW, graph()), (Status.PAUSED, graph(started=False)), (Status.BLOCKED, graph())],
)
def test_nothing_else_moves_children(status: Status, of: Graph) -> None:
    assert told(families.parent(Status.BLOCKED, of), families.parent(status, of)) == ()


def test_paths_are_given_back_once_they_are_not_needed() -> None:
    before = build.record(Status.IN_REVIEW, locks=("src",), pull=30)
    released = (Send(event=LocksReleased(task=TASK)),)
    assert told(before, build.record(Status.DONE, locks=("src",), pull=30)) == released
    assert told(before, build.record(Status.NEEDS_REVIEW, locks=("src",), pull=30)) == ()


def test_paths_that_were_touched_besides_are_held_too() -> None:
    before, wide = build.record(Status.IN_REVIEW, locks=("src",)), ("src", "docs")
    assert told(before, build.record(Status.IN_REVIEW, locks=wide)) == (Send(event=LocksKept(task=TASK, paths=wide)),)
