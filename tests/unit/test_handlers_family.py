"""Parents and children: wanted, due, shown, stopped together, and held up by paths."""

from typing import Any

import pytest

from app.domain import life
from app.domain.admission_events import LockDoubted, LockFreed, LocksReleased, LockWaits
from app.domain.choice import Choice
from app.domain.complexity import Complexity
from app.domain.effects import AddLabel, Decision, Send, SetLabels, UpsertComment, nothing
from app.domain.events import PullDue
from app.domain.facts import CutOff, Issue
from app.domain.graph import NodeState
from app.domain.graph_events import ChildMoved, ChildWanted, GraphDue, GraphShown, ParentSaid
from app.domain.names import TaskRef
from app.domain.outcomes import Outcome
from app.domain.record import MergeWish, TaskRecord
from app.domain.strategies import family, single
from app.domain.strategies.starting import HELD, resume
from app.domain.strategies.waiting import assert_again
from app.domain.task import Status, Trigger
from handlers.family import HANDLERS
from handlers.registry import HANDLERS as ALL
from tests.unit import build
from tests.unit.build import JOB, NOW, TASK
from tests.unit.families import PARENT, blocker, graph, node, parent

SHOW = (SetLabels(), UpsertComment())
DUE = GraphDue(task=TASK)
WISH = MergeWish(by="the setting autonomy: full", waits="It is merged once it is in review and green.")


def decide(event: Any, known: TaskRecord | None = None, at: Issue | None = None) -> Decision:
    return ALL[type(event)].decide(event, build.snapshot(known, at))


def wanted(**changes: Any) -> ChildWanted:
    made = ChildWanted(
        task=TASK, parent=PARENT, title="Do a", digest="d", requested_by="writer", requested_by_id=11, locks=("src",)
    )
    return made.model_copy(update=changes)


def admitted(**changes: Any) -> tuple[TaskRecord, Decision]:
    decision = decide(wanted(**changes), None, build.issue())
    assert isinstance(decision.record, TaskRecord)
    return decision.record, decision


def test_a_planned_child_is_taken_on_as_the_plan_says() -> None:
    child, decision = admitted(complexity=Complexity.SIMPLE, role="tester")
    assert decision.why == "writer asked for it with the plan of owner/project#5"
    assert decision.effects[0] == AddLabel(task=TASK, label="orch")
    assert (child.status, child.parent, child.locks, child.admitted) == (Status.ROUTED, PARENT, ("src",), "d")
    assert (child.complexity, child.role, child.requested_by_id) == (Complexity.SIMPLE, "tester", 11)


def test_a_planned_child_waits_for_those_it_depends_on() -> None:
    child, _ = admitted(blockers=(build.task(7),), hands_off=True)
    assert (child.status, child.blockers, child.merge) == (Status.BLOCKED, (blocker(7),), WISH)


def test_a_held_child_waits_for_a_person() -> None:
    child, _ = admitted(held=True)
    assert (child.status, child.why, child.merge) == (Status.NEEDS_REVIEW, HELD, None)


def test_a_planned_agent_is_chosen() -> None:
    child, _ = admitted(agent="script")
    assert child.choice == Choice(agent="script")


def test_a_sub_issue_that_was_closed_meanwhile_is_not_begun() -> None:
    decision = decide(wanted(), None, build.issue(is_open=False))
    assert decision == nothing("the sub-issue was closed meanwhile")


def test_i2_a_child_is_taken_on_once() -> None:
    assert decide(wanted(), build.record(parent=PARENT)) == nothing("the sub-issue is a task already")


def test_a_sub_issue_that_a_person_made_a_task_meanwhile_knows_its_parent() -> None:
    known = build.record()
    why = "the sub-issue is a task already, and knows its parent now"
    assert decide(wanted(), known) == Decision(why, known.change(parent=PARENT))


@pytest.mark.parametrize(
    "known", [None, build.record(Status.BLOCKED), parent(plan=None), parent(Status.PAUSED, graph(started=False))]
)
def test_where_nothing_is_to_be_started_nothing_is(known: TaskRecord | None) -> None:
    assert decide(DUE, known) == nothing("there is nothing to start")


def test_children_are_started_once_all_are_there() -> None:
    known = parent(of=graph(started=False))
    assert known.graph is not None
    assert decide(DUE, known) == family.start_children(known, known.graph, build.snapshot(known))


def test_i2_children_are_not_started_twice() -> None:
    known = parent()
    assert known.graph is not None
    assert decide(DUE, known) == family.evaluate(known, known.graph, build.snapshot(known))


def test_news_of_a_child_is_followed() -> None:
    known, event = parent(), ChildMoved(task=TASK, child=build.task(21), state=NodeState.OPEN, status=Status.ROUTED)
    assert known.graph is not None
    assert decide(event, known) == family.follow_child(known, known.graph, event, build.snapshot(known))


@pytest.mark.parametrize("known", [None, build.record()])
def test_news_of_a_child_means_nothing_to_what_was_not_planned(known: TaskRecord | None) -> None:
    event = ChildMoved(task=TASK, child=build.task(21), state=NodeState.OPEN)
    assert decide(event, known) == nothing("the issue has no plan that was approved")


@pytest.mark.parametrize(("cut_off", "effects"), [(None, (UpsertComment(),)), (CutOff.SUSPENDED, ())])
def test_what_children_told_is_shown_where_orch_can_write(cut_off: CutOff | None, effects: Any) -> None:
    known = parent(of=graph(due=True), cut_off=cut_off)
    assert decide(GraphShown(task=TASK), known) == Decision(
        "its sub-issues changed", known.change(graph=graph()), effects
    )


@pytest.mark.parametrize("known", [None, build.record(), parent()])
def test_i2_what_is_shown_is_not_shown_again(known: TaskRecord | None) -> None:
    assert decide(GraphShown(task=TASK), known) == nothing("what is shown is what is")


def said(word: Any, by: TaskRef = PARENT) -> ParentSaid:
    return ParentSaid(task=TASK, parent=by, word=word)


def child(status: Status = Status.IN_PROGRESS, **changes: object) -> TaskRecord:
    return build.record(status, **{"parent": PARENT, **changes})


def test_a_child_stops_with_its_parent_and_keeps_its_work() -> None:
    known = child()
    why = "#5, which it is a part of, was stopped or ended. `/resume` goes on with this one alone."
    stopped = {"run_id": None, "stopping": build.RUN, "stop_keeps": True, "halted": True}
    paused = known.advance(Trigger.PAUSE, why, **stopped)
    assert decide(said("stop"), known) == Decision("its parent was stopped", paused, (*life.stop(known), *SHOW))


def test_a_child_is_cancelled_with_its_parent_and_its_issue_stays_open() -> None:
    known = child(Status.NEEDS_REVIEW)
    why = "#5, which it is a part of, was cancelled. `/retry` takes this one up again."
    ended = known.advance(Trigger.CANCEL, why, left_open=True)
    assert decide(said("cancel"), known) == Decision("its parent was cancelled", ended, (*life.tidy(known), *SHOW))


def test_a_child_whose_run_is_still_coming_to_its_end_goes_on_after_that() -> None:
    ending = child(Status.PAUSED, halted=True, stopping=build.RUN, stop_keeps=True, run_id=None, since=NOW)
    waits = ending.change(goes_on=True)
    assert decide(said("resume"), ending) == Decision("its run is still coming to its end", waits)
    assert decide(said("stop"), waits) == Decision("its parent was stopped again", ending)
    ended = single.after_stop(build.finished(build.result(Outcome.CANCELLED)), waits)
    assert isinstance(ended.record, TaskRecord)
    assert (ended.record.goes_on, ended.effects[-1]) == (False, Send(event=said("resume")))


def test_a_child_whose_run_was_lost_as_it_was_stopped_goes_on_at_the_next_look() -> None:
    lost = child(Status.PAUSED, stopping=build.RUN, goes_on=True, since=NOW - 2 * life.ENDS_WITHIN)
    assert assert_again(lost, build.snapshot(lost))[-1] == Send(event=said("resume"))


def test_a_child_goes_on_with_its_parent() -> None:
    known = child(Status.PAUSED, halted=True)
    why = "#5, which it is a part of, goes on; the task waits for a runner."
    snapshot = build.snapshot(known)
    assert decide(said("resume"), known) == resume(known.change(halted=False), snapshot, why)


@pytest.mark.parametrize(
    ("hands_off", "wish", "look"),
    [(False, None, ()), (True, MergeWish(by=WISH.by), (Send(event=PullDue(task=TASK)),))],
)
def test_the_review_of_a_child_goes_on_with_its_parent(hands_off: bool, wish: MergeWish | None, look: Any) -> None:
    known = child(Status.PAUSED, halted=True, pull=30, runs=(build.summary(),), hands_off=hands_off)
    after = known.advance(Trigger.REVIEW, "Pull request #30 waits for review.", halted=False, merge=wish)
    assert decide(said("resume"), known) == Decision("the review goes on", after, (*SHOW, *look))


def test_a_child_that_has_children_waits_for_them_again_and_is_not_planned_anew() -> None:
    known = parent(Status.PAUSED, graph(node("a", 21)), parent=PARENT, halted=True)
    after = decide(said("resume"), known).record
    assert isinstance(after, TaskRecord)
    assert (after.status, after.graph) == (Status.BLOCKED, known.graph)


@pytest.mark.parametrize(
    ("word", "status"),
    [("stop", Status.NEEDS_REVIEW), ("resume", Status.PAUSED), ("resume", Status.ROUTED), ("cancel", Status.DONE)],
)
def test_a_child_that_stands_otherwise_stays(word: str, status: Status) -> None:
    assert decide(said(word), child(status)) == nothing(f"the task is {status.value}")


@pytest.mark.parametrize("known", [None, build.record(), child(parent=build.task(6))])
def test_another_issue_is_not_obeyed(known: TaskRecord | None) -> None:
    assert decide(said("stop"), known) == nothing("it is no part of that")


def test_what_a_person_stopped_does_not_go_on_with_the_parent() -> None:
    stopped = child(halted=True).advance(Trigger.PAUSE, "So.", **life.stopped(child()))
    assert decide(said("resume"), stopped) == nothing("the task is paused")


WAITS = LockWaits(task=TASK, job_id=JOB.id, holder=3, path="src")
FREED = LockFreed(task=TASK, job_id=JOB.id)


@pytest.mark.parametrize("status", [Status.ROUTED, Status.BLOCKED])
def test_a_task_waits_for_a_path_and_says_for_whom(status: Status) -> None:
    known = build.record(status, merge=WISH)
    why = "It waits for #3, which works on `src` too and holds it until it is merged or ends."
    after = known.advance(Trigger.BLOCK, why, lock_holder=3)
    assert decide(WAITS, known) == Decision("a path is locked", after, SHOW)


def test_a_task_goes_on_once_the_path_is_free() -> None:
    known = build.record(Status.BLOCKED, lock_holder=3)
    after = known.advance(Trigger.ROUTE, "The paths that it works on are free; the task waits for a runner.")
    assert after.lock_holder is None
    assert decide(FREED, known) == Decision("the path is free", after, SHOW)


@pytest.mark.parametrize("event", [WAITS, FREED])
@pytest.mark.parametrize(
    "known", [None, build.record(Status.BLOCKED, job_id="other"), build.record(Status.IN_PROGRESS)]
)
def test_i2_a_path_that_nobody_waits_for_any_more_means_nothing(event: Any, known: TaskRecord | None) -> None:
    assert decide(event, known) == nothing("the task waits for no path any more")


def test_a_doubted_lock_is_confirmed_or_given_back() -> None:
    event, holds = LockDoubted(task=TASK), build.record(Status.IN_REVIEW, locks=("src",))
    assert decide(event, holds) == Decision("its paths are still its own", effects=(life.keep_paths(holds),))
    free = Decision("its paths are free", effects=(Send(event=LocksReleased(task=TASK)),))
    assert decide(event, build.record(Status.DONE, locks=("src",))) == free
    assert decide(event) == free


def test_a_record_is_looked_for_on_github_only_where_silence_would_mislead() -> None:
    looks = {handler.event for handler in HANDLERS if not handler.only_known(DUE, build.snapshot())}
    assert looks == {ChildWanted, LockDoubted}
