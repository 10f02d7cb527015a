"""What tasks know of blockers and children, and how GitHub's word is joined with theirs."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.facts import LinkedIssue, SubIssue
from app.domain.graph import (
    Graph,
    NodeState,
    describe_issue,
    open_blockers,
    read_blockers,
    read_graph,
    state_of,
)
from app.domain.names import TaskRef
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import TASK
from tests.unit.families import blocker, graph, node

ELSEWHERE = build.repository(2, name="other")


def linked(number: int = 7, **changes: Any) -> LinkedIssue:
    made = LinkedIssue(id=number + 1000, number=number, repository=TASK.repository, title="Do a", is_open=True)
    return made.model_copy(update=changes)


def child(number: int = 21, *waits_for: LinkedIssue, **changes: Any) -> SubIssue:
    return SubIssue(**{**linked(number).model_dump(), "blocked_by": waits_for, **changes})


@pytest.mark.parametrize(
    ("is_open", "reason", "state"),
    [
        (True, "reopened", NodeState.OPEN),
        (False, "completed", NodeState.COMPLETED),
        (False, None, NodeState.COMPLETED),
        (False, "not_planned", NodeState.DROPPED),
        (False, "duplicate", NodeState.DROPPED),
    ],
)
def test_an_issue_stands_as_github_says(is_open: bool, reason: str | None, state: NodeState) -> None:
    assert state_of(is_open, reason) is state


def test_only_what_is_closed_as_completed_blocks_no_more() -> None:
    all_of = (blocker(7), blocker(8, state=NodeState.COMPLETED), blocker(9, state=NodeState.DROPPED))
    assert open_blockers(all_of) == (blocker(7), blocker(9, state=NodeState.DROPPED))


def test_what_an_open_blocker_told_of_itself_is_kept() -> None:
    known = [blocker(7, stuck="it is paused"), blocker(8, stuck="it is paused"), blocker(9)]
    found = [linked(7), linked(8, is_open=False), linked(10)]
    after = (blocker(7, stuck="it is paused"), blocker(8, state=NodeState.COMPLETED), blocker(10))
    assert read_blockers(found, known) == after


def test_an_issue_of_another_repository_is_another_one() -> None:
    [found] = read_blockers([linked(7, repository=ELSEWHERE)], [blocker(7, stuck="it is paused")])
    assert found == blocker(task=TaskRef(repository=ELSEWHERE, number=7))


def test_what_children_told_stays_when_github_is_asked() -> None:
    known = graph(node("a", 21, status=Status.IN_REVIEW, cost=Decimal(2), pull=30), due=True)
    found = [child(21, is_open=False, title="Do it"), child(23, repository=ELSEWHERE)]
    after = read_graph(found, known, TASK)
    first = known.nodes[0].model_copy(update={"id": 1021, "state": NodeState.COMPLETED, "title": "Do it"})
    second = node("", 23, id=1023, digest="", title="Do a", repository=ELSEWHERE)
    assert after == Graph(nodes=(first, second), started=True, due=True)


def test_blockers_in_another_order_are_no_news() -> None:
    known = graph(node("a", 21, waits_for=("#8", "#7"), title="Do a"))
    found = child(21, linked(7), linked(8))
    assert read_graph([found], known, TASK) == known


def test_another_blocker_is_news() -> None:
    known = graph(node("a", 21, waits_for=("#8",)))
    assert read_graph([child(21, linked(7, repository=ELSEWHERE))], known, TASK).nodes[0].waits_for == (
        "owner/other#7",
    )


def test_an_issue_is_named_for_those_who_read_of_it() -> None:
    assert describe_issue(build.task(7), TASK) == "#7"
    assert describe_issue(TaskRef(repository=ELSEWHERE, number=7), TASK) == "owner/other#7"


def test_the_cost_of_children_is_unknown_as_soon_as_that_of_one_is() -> None:
    assert graph(node("a", cost=Decimal(2)), node("b", 22, cost=Decimal(1))).cost == Decimal(3)
    assert graph(node("a", cost=Decimal(2)), node("b", 22, cost=None)).cost is None


def test_one_node_is_changed_and_the_others_stay() -> None:
    first, second = node("a", 21), node("b", 22)
    changed = graph(first, second).change(first, state=NodeState.DROPPED)
    assert changed == graph(node("a", 21, state=NodeState.DROPPED), second)
    assert changed.open == (second,)
