"""What people say of plans, and of tasks that have sub-issues."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.effects import UpsertComment
from app.domain.facts import Permission
from app.domain.graph import NodeState
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.strategies import family
from app.domain.strategies.commanded import obey
from app.domain.strategies.listening import Scene, Step, as_asked, hear_mention
from app.domain.strategies.plan_commands import drop_from_plan
from app.domain.strategies.planning import create
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import NOW, TASK
from tests.unit.commenting import read
from tests.unit.families import graph, node, parent, proposal

PLANNED = (build.summary(outcome=Outcome.PLANNED),)
PROPOSED = build.record(Status.NEEDS_REVIEW, plan=proposal(), purpose=Purpose.PLAN, runs=PLANNED)
CLOSED = graph(node("a", 21, state=NodeState.COMPLETED))
ENDED = parent(Status.NEEDS_REVIEW, CLOSED, runs=PLANNED)


def scene(body: str, known: TaskRecord | None) -> Scene:
    return Scene(build.commented(body), build.snapshot(known, build.issue("orch"), Permission.WRITE))


def say(body: str, known: TaskRecord | None) -> Step:
    return obey(read(body), known, scene(body, known))


def refused(body: str, known: TaskRecord, why: str) -> None:
    word = body.split(maxsplit=1)[0]
    assert say(body, known) == Step(known, reply=f"`{word}` did nothing: {why}", done=False)


def test_an_approved_plan_is_created() -> None:
    assert say("/approve", PROPOSED) == as_asked(create(PROPOSED, "`writer`"))


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (parent(of=graph(started=False)), "no plan waits for it: the task is `blocked`."),
        (
            PROPOSED.change(since=NOW + timedelta(seconds=5)),
            "the plan is a newer one than what it was said of. Look at it, and say it again.",
        ),
        (
            PROPOSED.change(plan=proposal().drop(frozenset({"a", "b"}))),
            "every sub-issue of the plan is dropped. Tick one, or say `/plan CHANGE`.",
        ),
        (parent(), "nothing waits for it here: the task is `blocked`."),
    ],
)
def test_what_cannot_be_approved_is_not(known: TaskRecord, why: str) -> None:
    refused("/approve", known, why)


def test_what_is_there_may_be_taken_as_enough() -> None:
    done = family.complete(ENDED, "`writer` takes it as enough: all sub-issues are closed.")
    assert say("/approve", ENDED) == as_asked(done)


@pytest.mark.parametrize("body", ["/deny Too much.", "/plan Less."])
def test_a_plan_that_is_not_wanted_is_made_anew_by_what_was_said(body: str) -> None:
    after = say(body, PROPOSED).record
    assert after is not None
    assert (after.status, after.purpose, len(after.instructions)) == (Status.ROUTED, Purpose.PLAN, 1)


@pytest.mark.parametrize("body", ["/deny Too much.", "/plan Less."])
def test_a_plan_of_which_some_is_there_is_not_changed_any_more(body: str) -> None:
    half = PROPOSED.change(graph=graph(node("a"), started=False))
    refused(body, half, "1 of its sub-issues are there already. `/approve` creates the rest.")


def test_a_change_of_a_plan_says_what_is_to_be_different() -> None:
    refused("/plan", PROPOSED, "a plan waits for approval. Say what is to be different: `/plan CHANGE`.")


def test_boxes_that_are_unticked_drop_sub_issues() -> None:
    step = drop_from_plan(frozenset({"b"}), PROPOSED, scene("x", PROPOSED))
    notice = "`writer` changed the plan: 1 of 2 sub-issues are kept."
    after = PROPOSED.change(plan=proposal().drop(frozenset({"b"})), notice=notice)
    assert step == Step(after, (UpsertComment(),))


@pytest.mark.parametrize(
    ("known", "keys"),
    [
        (PROPOSED.change(plan=None), {"a"}),
        (PROPOSED.change(since=NOW + timedelta(seconds=5)), {"a"}),
        (PROPOSED, {"a", "b"}),
    ],
)
def test_boxes_of_another_plan_and_all_of_them_drop_nothing(known: TaskRecord, keys: set[str]) -> None:
    step = drop_from_plan(frozenset(keys), known, scene("x", known))
    assert (step.record, step.done) == (known, False)


def test_the_whole_is_checked_again() -> None:
    after = say("/retry", ENDED).record
    assert after is not None
    assert (after.status, after.purpose) == (Status.ROUTED, Purpose.INTEGRATION)


@pytest.mark.parametrize("known", [parent(), parent(of=graph(started=False)), parent(Status.PAUSED, CLOSED)])
def test_a_parent_that_waits_is_not_tried_again(known: TaskRecord) -> None:
    why = "it waits for its sub-issues. Say `/retry` on the one that is to be tried again."
    refused("/retry", known, why)


@pytest.mark.parametrize("of", [graph(), graph(started=False)])
def test_a_parent_is_not_planned_anew(of: object) -> None:
    why = "its sub-issues are there: add, close or link them on GitHub as you like."
    refused("/plan", parent().change(graph=of), why)


@pytest.mark.parametrize("of", [graph(), graph(started=False)])
def test_a_stopped_parent_goes_on_with_its_sub_issues(of: object) -> None:
    known = parent(Status.PAUSED).change(graph=of)
    went_on = family.resume_whole(known, build.snapshot(known), "`writer` had it go on.")
    step = say("/resume", known)
    assert (step.record, step.effects) == (went_on.record, went_on.effects)


def test_a_mention_of_a_parked_parent_begins_no_plan() -> None:
    step = hear_mention("What now?", ENDED, scene("@orch What now?", ENDED))
    assert step.record is not None
    assert (step.record.status, len(step.record.instructions)) == (Status.NEEDS_REVIEW, 1)


def test_a_task_that_is_over_is_planned_afresh() -> None:
    over = replace(scene("/retry", None), snapshot=build.snapshot(None, build.issue("orch"), Permission.WRITE))
    known = parent(Status.CANCELLED, left_open=True)
    after = obey(read("/retry"), known, over).record
    assert after is not None
    assert (after.task, after.purpose, after.plan, after.graph) == (TASK, Purpose.PLAN, None, None)


@pytest.mark.parametrize("status", [Status.IN_PROGRESS, Status.IN_REVIEW, Status.BLOCKED])
def test_a_task_that_is_under_way_is_not_planned(status: Status) -> None:
    why = f"the task is `{status.value}`. `/stop` or `/cancel` ends that first."
    refused("/plan", build.record(status), why)


def test_a_merged_task_is_not_planned() -> None:
    why = "the task is done with pull request #30. Reopen the issue to have more done."
    refused("/plan", build.record(Status.DONE, pull=30), why)


def test_a_task_that_waits_for_a_person_is_planned_from_its_text() -> None:
    after = say("/plan", build.record(Status.NEEDS_REVIEW)).record
    assert after is not None
    assert (after.status, after.purpose) == (Status.ROUTED, Purpose.PLAN)
