"""Links that people make on GitHub, and what tasks tell each other along them."""

from typing import Any

import pytest

from app.domain.effects import Decision, Send, nothing
from app.domain.events import BlockersChanged, BlockingChanged, ParentChanged, SubIssuesChanged
from app.domain.facts import LinkedIssue, SubIssue
from app.domain.graph import NodeState
from app.domain.graph_events import BlockerMoved, ChildMoved, DependentWaits, IssueMoved
from app.domain.record import TaskRecord
from app.domain.snapshot import Need
from app.domain.strategies.family import follow_links
from app.domain.strategies.waiting import follow_blockers
from app.domain.task import Status
from handlers.links import HANDLERS, MOST_DEPENDENTS
from handlers.registry import HANDLERS as ALL
from tests.unit import build
from tests.unit.build import SELF, TASK, WRITER
from tests.unit.families import PARENT, blocked, blocker, graph, node, parent

BLOCKERS = BlockersChanged(task=TASK, actor=WRITER)
DEPENDENT = build.task(30)
NO_TASK = nothing("the issue is no task")


def linked(number: int = 7, **changes: Any) -> LinkedIssue:
    made = LinkedIssue(id=number, number=number, repository=TASK.repository, title="Do a", is_open=True)
    return made.model_copy(update=changes)


def decide(event: Any, known: TaskRecord | None = None, **found: Any) -> Decision:
    return ALL[type(event)].decide(event, build.snapshot(known, **found))


@pytest.mark.parametrize(
    "event",
    [
        BLOCKERS,
        BlockerMoved(task=TASK, blocker=build.task(7), state=NodeState.OPEN),
        DependentWaits(task=TASK, dependent=DEPENDENT),
        ParentChanged(task=TASK, actor=WRITER, parent=PARENT, added=True),
    ],
)
def test_links_of_an_issue_that_is_no_task_mean_nothing(event: Any) -> None:
    assert decide(event, blockers=()) == NO_TASK


def test_a_new_blocker_is_followed() -> None:
    known = build.record(Status.ROUTED)
    after = known.change(blockers=(blocker(7),))
    assert decide(BLOCKERS, known, blockers=(linked(),)) == follow_blockers(after, build.snapshot(known))


def test_i2_blockers_that_are_known_change_nothing() -> None:
    assert decide(BLOCKERS, blocked(), blockers=(linked(),)) == nothing("what blocks it is known")


def test_blockers_that_could_not_be_read_change_nothing() -> None:
    assert decide(BLOCKERS, blocked()) == NO_TASK


def test_the_blocked_end_of_a_link_is_told() -> None:
    event = BlockingChanged(task=TASK, actor=WRITER, blocked=DEPENDENT)
    told = Send(event=BlockersChanged(task=DEPENDENT, actor=WRITER))
    assert decide(event) == Decision("a link to another issue was made or taken away", effects=(told,))


def test_the_end_of_a_blocker_is_followed() -> None:
    known = blocked(7, 8)
    event = BlockerMoved(task=TASK, blocker=build.task(7), state=NodeState.COMPLETED)
    after = known.change(blockers=(blocker(7, state=NodeState.COMPLETED), blocker(8)))
    assert decide(event, known) == follow_blockers(after, build.snapshot(known))


@pytest.mark.parametrize(("number", "stuck"), [(7, ""), (9, "it is paused")])
def test_i2_news_that_is_known_or_of_no_blocker_changes_nothing(number: int, stuck: str) -> None:
    event = BlockerMoved(task=TASK, blocker=build.task(number), state=NodeState.OPEN, stuck=stuck)
    assert decide(event, blocked()) == nothing("it is no blocker, or known to stand so")


def test_who_waits_is_remembered_once_and_told_how_the_task_stands() -> None:
    known = build.record(Status.PAUSED, dependents=(DEPENDENT, build.task(31)))
    after = known.change(dependents=(build.task(31), DEPENDENT))
    told = BlockerMoved(task=DEPENDENT, blocker=TASK, state=NodeState.OPEN, stuck="it is paused: Because.")
    event = DependentWaits(task=TASK, dependent=DEPENDENT)
    assert decide(event, known) == Decision("owner/project#30 waits for it", after, (Send(event=told),))


def test_i12_only_so_many_who_wait_are_remembered() -> None:
    many = tuple(build.task(number) for number in range(100, 100 + MOST_DEPENDENTS))
    after = decide(DependentWaits(task=TASK, dependent=DEPENDENT), build.record(dependents=many)).record
    assert isinstance(after, TaskRecord)
    assert after.dependents == (*many[1:], DEPENDENT)


def test_those_are_told_of_an_issue_whom_github_names() -> None:
    event = IssueMoved(task=TASK, state=NodeState.COMPLETED, blocking=1, parent=5)
    told = (
        Send(event=BlockerMoved(task=DEPENDENT, blocker=TASK, state=NodeState.COMPLETED)),
        Send(event=ChildMoved(task=PARENT, child=TASK, state=NodeState.COMPLETED)),
    )
    assert decide(event, blocking=(linked(30),)) == Decision("the issue is completed", effects=told)


def test_an_issue_that_blocks_nothing_and_is_no_part_tells_nobody() -> None:
    assert decide(IssueMoved(task=TASK, state=NodeState.OPEN)) == nothing("nobody waits for the issue")


@pytest.mark.parametrize(("blocking", "spared"), [(0, {Need.BLOCKING}), (1, set())])
def test_whom_an_issue_blocks_is_read_only_if_it_blocks_any(blocking: int, spared: set[Need]) -> None:
    event = IssueMoved(task=TASK, state=NodeState.OPEN, blocking=blocking)
    assert ALL[IssueMoved].spares(event, None) == spared


@pytest.mark.parametrize(("added", "before", "after"), [(True, None, PARENT), (False, PARENT, None)])
def test_a_task_knows_its_parent(added: bool, before: Any, after: Any) -> None:
    known = build.record(parent=before)
    event = ParentChanged(task=TASK, actor=WRITER, parent=PARENT, added=added)
    assert decide(event, known) == Decision("it has another parent", known.change(parent=after))


@pytest.mark.parametrize(("added", "before"), [(True, PARENT), (False, None), (False, build.task(6))])
def test_i2_a_parent_that_is_known_or_was_none_changes_nothing(added: bool, before: Any) -> None:
    event = ParentChanged(task=TASK, actor=WRITER, parent=PARENT, added=added)
    assert decide(event, build.record(parent=before)) == nothing("its parent is known")


def sub_issues(actor: Any = WRITER) -> SubIssuesChanged:
    return SubIssuesChanged(task=TASK, actor=actor, child=build.task(21), added=True)


def test_a_sub_issue_that_a_person_added_is_followed() -> None:
    known, found = parent(of=graph(node("a", 21))), (SubIssue(**linked(21).model_dump()),)
    assert known.graph is not None
    assert decide(sub_issues(), known, children=found) == follow_links(known, known.graph, found, build.snapshot(known))


@pytest.mark.parametrize(
    ("known", "children"),
    [(None, ()), (build.record(), ()), (parent(), None), (parent(of=graph(started=False)), ())],
    ids=["no task", "no plan", "not read", "not started"],
)
def test_sub_issues_of_what_was_not_planned_mean_nothing(known: TaskRecord | None, children: Any) -> None:
    why = "the issue has no plan whose sub-issues were started"
    assert decide(sub_issues(), known, children=children) == nothing(why)


@pytest.mark.parametrize("actor", [SELF, WRITER])
def test_links_that_orch_made_are_skipped(actor: Any) -> None:
    event = sub_issues(actor)
    why = "Orch made the link itself" if actor == SELF else None
    assert ALL[SubIssuesChanged].skip(event, build.snapshot()) == why


def test_no_record_is_looked_for_on_github_because_of_a_link() -> None:
    assert all(
        handler.only_known(BLOCKERS, build.snapshot()) for handler in HANDLERS if handler.event is not IssueMoved
    )
