"""What blocks a task: begun when it may be, blocked before it began, looked at again, and asserted."""

from typing import Any

import pytest

from app.domain import life
from app.domain.effects import CreateChild, Decision, Effect, LinkChild, Send, UpsertComment
from app.domain.events import SlotFreed, SlotWanted
from app.domain.facts import LinkedIssue, SubIssue
from app.domain.graph import NodeState
from app.domain.graph_events import GraphDue
from app.domain.jobs import Purpose, run_job
from app.domain.record import TaskRecord
from app.domain.snapshot import Need
from app.domain.strategies import family
from app.domain.strategies.blocking import must_wait, waits_for_blockers
from app.domain.strategies.starting import HELD, MOST_RUNS, SHOW, begin, go_on_from_blockers
from app.domain.strategies.telling import as_child
from app.domain.strategies.waiting import FREE, assert_again, follow_blockers, missed_links, needless
from app.domain.task import Status, Trigger
from tests.unit import build
from tests.unit.build import JOB, NOW, TASK
from tests.unit.families import PARENT, blocked, blocker, graph, node, parent, proposal

SNAPSHOT = build.snapshot()
CLOSED = blocker(7, state=NodeState.COMPLETED)
WAITS = "It waits until #7 is closed as completed."
FREED = Send(event=SlotFreed(job_id=JOB.id))


def linked(number: int = 7, **changes: Any) -> LinkedIssue:
    made = LinkedIssue(id=number, number=number, repository=TASK.repository, title="Do a", is_open=True)
    return made.model_copy(update=changes)


def looked(known: TaskRecord, **found: Any) -> Decision | None:
    return missed_links(known, build.snapshot(known, **found))


@pytest.mark.parametrize(
    ("purpose", "waits"), [(Purpose.WORK, True), (Purpose.PLAN, True), (Purpose.REWORK, False), (Purpose.REVIEW, False)]
)
def test_only_what_is_not_begun_waits_for_blockers(purpose: Purpose, waits: bool) -> None:
    assert must_wait(blocked(purpose=purpose)) is waits
    assert must_wait(blocked(purpose=purpose, blockers=(CLOSED,))) is False


@pytest.mark.parametrize(
    ("known", "waits"),
    [
        (blocked(), True),
        (blocked(status=Status.PAUSED), False),
        (blocked(job_id=JOB.id), False),
        (parent(), False),
        (parent(of=graph(started=False)), False),
        (blocked(plan=proposal(), graph=graph(started=False)), True),
    ],
)
def test_a_blocked_task_waits_for_blockers_or_a_path_or_its_children(known: TaskRecord, waits: bool) -> None:
    assert waits_for_blockers(known) is waits


def test_a_task_that_is_blocked_no_more_begins() -> None:
    known = blocked(blockers=(CLOSED,), tries=2, rounds=1)
    decision = follow_blockers(known, SNAPSHOT)
    begun, effects = begin(known, SNAPSHOT, FREE, tries=2, rounds=1)
    assert decision == Decision(FREE, begun, (*effects, build.SOON))
    assert begun.status is Status.ROUTED


def test_a_task_says_what_it_still_waits_for() -> None:
    known = blocked(blockers=(blocker(7), CLOSED))
    decision = Decision("what blocks it changed", known.change(why=WAITS), (UpsertComment(),))
    assert follow_blockers(known, SNAPSHOT) == decision


@pytest.mark.parametrize(("status", "holder"), [(Status.ROUTED, None), (Status.BLOCKED, 3)])
def test_a_task_that_is_blocked_before_it_began_gives_its_place_away(status: Status, holder: int | None) -> None:
    known = blocked(status=status, job_id=JOB.id, lock_holder=holder)
    waiting = known.advance(Trigger.BLOCK, WAITS, job_id=None)
    assert waiting.lock_holder is None
    assert follow_blockers(known, SNAPSHOT) == Decision("it was blocked before it began", waiting, (FREED, *SHOW))


@pytest.mark.parametrize(
    "known",
    [
        *(blocked(status=status) for status in (Status.IN_PROGRESS, Status.PAUSED, Status.DONE, Status.NEW)),
        blocked(status=Status.ROUTED, purpose=Purpose.REWORK),
        parent(blockers=(blocker(7),)),
        parent(of=graph(started=False), blockers=(CLOSED,)),
    ],
)
def test_what_began_or_stands_for_another_reason_stays(known: TaskRecord) -> None:
    assert follow_blockers(known, SNAPSHOT) == Decision("what blocks it changed", known)


@pytest.mark.parametrize("found", [None, (linked(),)])
def test_a_look_that_finds_what_is_known_changes_nothing(found: Any) -> None:
    assert looked(blocked(), blockers=found) is None


def test_a_look_finds_that_nothing_blocks_any_more() -> None:
    known = blocked()
    assert looked(known, blockers=()) == go_on_from_blockers(known.change(blockers=()), SNAPSHOT, FREE)


def test_a_task_that_was_never_begun_though_nothing_blocks_it_begins() -> None:
    known = blocked(blockers=(CLOSED,))
    assert looked(known, blockers=(linked(is_open=False),)) == go_on_from_blockers(known, SNAPSHOT, FREE)


def test_a_look_creates_the_children_that_are_missing_and_plans_nothing_anew() -> None:
    known = parent(of=graph(node("a", 21), started=False), blockers=(CLOSED,))
    missing: tuple[Effect, ...] = (CreateChild(key="b", looks=True), LinkChild(key="b", after="a"))
    decision = Decision("its sub-issues were not all created", known, (*missing, Send(event=GraphDue(task=TASK))))
    assert looked(known, blockers=(linked(is_open=False),)) == decision


def sub_issue(number: int = 21, **changes: Any) -> SubIssue:
    return SubIssue(**{**linked(number).model_dump(), **changes})


def test_a_look_finds_that_children_changed() -> None:
    known = parent(of=graph(node("a", 21, id=21, title="Do a")))
    found = (sub_issue(is_open=False),)
    assert known.graph is not None
    assert looked(known, children=found) == family.follow_links(known, known.graph, found, build.snapshot(known))


def test_a_look_ends_what_was_left_open_though_all_is_closed() -> None:
    done = graph(node("a", 21, id=21, title="Do a", state=NodeState.COMPLETED))
    known, found = parent(of=done), (sub_issue(is_open=False),)
    assert looked(known, children=found) == family.evaluate(known, done, build.snapshot(known))


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.PAUSED])
def test_a_look_that_finds_the_children_that_are_known_changes_nothing(status: Status) -> None:
    known = parent(status, graph(node("a", 21, id=21, title="Do a")))
    assert looked(known, children=(sub_issue(),)) is None
    assert looked(known) is None


@pytest.mark.parametrize(
    ("known", "read"),
    [
        (None, set()),
        (build.record(Status.IN_PROGRESS), set()),
        (parent(Status.DONE), set()),
        (parent(Status.PAUSED), {Need.CHILDREN}),
        (parent(of=graph(started=False)), set()),
        (blocked(), {Need.BLOCKERS}),
        (blocked(status=Status.ROUTED), {Need.BLOCKERS}),
        (blocked(job_id=JOB.id), {Need.BLOCKERS}),
        (blocked(status=Status.IN_PROGRESS), set()),
        (build.record(Status.ROUTED), set()),
    ],
)
def test_only_links_that_matter_are_read(known: TaskRecord | None, read: set[Need]) -> None:
    assert needless(known) == {Need.BLOCKERS, Need.CHILDREN} - read


def test_what_others_may_have_lost_is_told_again() -> None:
    child = build.record(Status.PAUSED, parent=PARENT)
    assert assert_again(child, SNAPSHOT) == (Send(event=as_child(child, PARENT)),)
    waits = build.record(Status.BLOCKED, locks=("src",))
    slot = SlotWanted(job=JOB, since=NOW.timestamp(), agent="script", locks=("src",))
    assert assert_again(waits, SNAPSHOT) == (Send(event=slot),)
    holds = build.record(Status.IN_REVIEW, locks=("src",), pull=30)
    assert assert_again(holds, SNAPSHOT) == (life.keep_paths(holds),)
    assert assert_again(build.record(Status.IN_REVIEW), SNAPSHOT) == ()


def test_what_is_begun_anew_gives_the_place_away_that_waits_for_a_path() -> None:
    known = build.record(Status.BLOCKED, lock_holder=3)
    routed, effects = begin(known, SNAPSHOT, "So.")
    slot = SlotWanted(job=run_job(TASK, 2), since=NOW.timestamp(), agent="script")
    assert effects == (FREED, Send(event=slot))
    assert (routed.status, routed.lock_holder) == (Status.ROUTED, None)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"held": True}, Status.NEEDS_REVIEW),
        ({"blockers": (blocker(7),)}, Status.BLOCKED),
        ({"runs": (build.summary(),) * MOST_RUNS}, Status.NEEDS_REVIEW),
    ],
)
def test_what_is_not_begun_gives_that_place_away_too(changes: dict[str, object], status: Status) -> None:
    after, effects = begin(build.record(Status.BLOCKED, **changes), SNAPSHOT, "So.")
    assert (after.status, effects[0]) == (status, FREED)


@pytest.mark.parametrize("status", [Status.NEW, Status.BLOCKED, Status.PAUSED])
def test_a_held_child_waits_for_a_person(status: Status) -> None:
    known = build.record(status, held=True, job_id=None)
    assert begin(known, SNAPSHOT, "So.") == (known.advance(Trigger.HOLD, HELD), ())


@pytest.mark.parametrize(("status", "purpose"), [(Status.NEEDS_REVIEW, Purpose.WORK), (Status.PAUSED, Purpose.REWORK)])
def test_a_held_child_that_a_person_started_goes_on(status: Status, purpose: Purpose) -> None:
    after, _ = begin(build.record(status, held=True), SNAPSHOT, "So.", purpose=purpose)
    assert after.status is Status.ROUTED
