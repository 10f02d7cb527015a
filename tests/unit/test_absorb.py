import pytest

from app.domain.absorb import absorb, refuse
from app.domain.effects import (
    AddComment,
    CloseIssue,
    CreateChild,
    Effect,
    LinkChild,
    MoveBranch,
    OpenPull,
    Send,
    SetLabels,
    UpdateBranch,
    UpsertComment,
)
from app.domain.errors import Permanent
from app.domain.events import SlotFreed
from app.domain.graph import Graph
from app.domain.record import MergeWish, Unfinished
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import JOB, OTHER_SHA, RUN, SHA, TASK
from tests.unit.families import graph, node, parent, proposal

BRANCH = build.record().branch
MOVE = MoveBranch(branch=BRANCH, sha=SHA, previous=None)
OPEN = OpenPull(branch=BRANCH, title="t", body="b")
FREED = Send(event=SlotFreed(job_id=JOB.id))


def test_labels_that_were_set_are_shown() -> None:
    before = build.record(shown=(Status.ROUTED, Status.BLOCKED))
    assert absorb(before, SetLabels(), None) == build.record(shown=(Status.IN_PROGRESS,))


def test_the_living_comment_is_remembered() -> None:
    assert absorb(build.record(), UpsertComment(), 77) == build.record(comment_id=77)


def test_i8_the_head_is_written_down_after_the_branch_was_moved() -> None:
    assert absorb(build.record(head_sha=OTHER_SHA), MOVE, None) == build.record(head_sha=SHA)


def test_a_commit_that_was_made_anew_is_known_by_its_new_name_alone() -> None:
    run, other = build.summary(reason=f"pushed {SHA}"), build.summary("run-0", head_sha="3" * 40)
    before = build.record(runs=(other, run), unfinished=Unfinished(run_id=RUN, sha=SHA), own_head=False)
    after = absorb(before, MOVE, OTHER_SHA)
    named = run.model_copy(update={"head_sha": OTHER_SHA, "reason": f"pushed {OTHER_SHA}"})
    left = Unfinished(run_id=RUN, sha=OTHER_SHA)
    assert after == build.record(runs=(other, named), unfinished=left, head_sha=OTHER_SHA)
    assert after.own_heads == {"3" * 40, OTHER_SHA}


@pytest.mark.parametrize("known", [None, 29, 30])
def test_i8_a_task_is_in_review_after_its_pull_request_was_opened(known: int | None) -> None:
    after = absorb(build.record(run_id=None, pull=known), OPEN, 30)
    assert after == build.record(Status.IN_REVIEW, why="Pull request #30 waits for review.", pull=30)


@pytest.mark.parametrize("status", [Status.IN_REVIEW, Status.NEEDS_REVIEW, Status.DONE])
def test_i2_a_pull_request_opened_twice_moves_nothing_the_second_time(status: Status) -> None:
    assert absorb(build.record(status), OPEN, 30) == build.record(status, pull=30)


@pytest.mark.parametrize("effect", [CloseIssue(), FREED])
def test_other_effects_change_nothing(effect: Effect) -> None:
    assert absorb(build.record(), effect, 5) == build.record()


@pytest.mark.parametrize("effect", [MOVE, OPEN])
def test_a_refused_step_parks_the_task_frees_its_slot_and_calls_a_person(effect: Effect) -> None:
    why = "GitHub refused a step, so a person must act: no rights. Fixes\u2060 #\u20609"
    call = AddComment(task=TASK, key=f"refused-{effect.type}-1", body=why)
    record, instead = refuse(build.record(run_id=None), effect, Permanent("no rights.\nFixes #9"))
    assert record == build.record(Status.NEEDS_REVIEW, why=why)
    assert instead == (FREED, SetLabels(), UpsertComment(), call)


def test_a_refused_step_of_a_task_without_a_job_frees_no_slot() -> None:
    _, instead = refuse(build.record(job_id=None), MOVE, Permanent("no"))
    assert [effect.type for effect in instead] == ["set_labels", "upsert_comment", "add_comment"]


@pytest.mark.parametrize("effect", [SetLabels(), UpsertComment(), CloseIssue()])
def test_a_refused_display_never_fails_a_task(effect: Effect) -> None:
    assert refuse(build.record(), effect, Permanent("no")) == (build.record(), ())


def test_a_refused_step_cannot_park_a_finished_task() -> None:
    assert refuse(build.record(Status.DONE), MOVE, Permanent("no")) == (build.record(Status.DONE), ())


def test_i8_a_branch_that_was_not_brought_up_to_date_is_not_said_to_be() -> None:
    said = "GitHub did not bring the base branch in: No rights."
    wished = build.record(Status.IN_REVIEW, merge=MergeWish(by="writer", waits="Its branch is brought up to date."))
    for known, wish in ((wished, MergeWish(by="writer", waits=said)), (wished.change(merge=None), None)):
        refused = refuse(known, UpdateBranch(pull=30, sha=SHA), Permanent("No rights."))
        assert refused == (known.change(notice=said, merge=wish), ())


def test_a_sub_issue_that_was_created_is_known_with_what_it_waits_for() -> None:
    approved = proposal(approved_by="`writer`")
    first = absorb(build.record(Status.BLOCKED, plan=approved), CreateChild(key="a"), node("a", 21))
    both = absorb(first, CreateChild(key="b"), node("b", 22))
    known = (node("a", 21), node("b", 22, waits_for=("#21",)))
    assert both == build.record(Status.BLOCKED, plan=approved, graph=Graph(nodes=known))


def test_a_sub_issue_of_a_plan_that_is_gone_waits_for_nothing() -> None:
    after = absorb(build.record(Status.BLOCKED), CreateChild(key="b"), node("b", 22))
    assert after.graph == Graph(nodes=(node("b", 22),))


def test_i2_a_sub_issue_that_was_found_again_is_known_once() -> None:
    known = parent(of=graph(node("a", 21), started=False))
    assert absorb(known, CreateChild(key="a"), node("a", 99)) == known


@pytest.mark.parametrize("effect", [CreateChild(key="b"), LinkChild(key="b", after="a")])
def test_a_plan_that_could_not_be_created_waits_for_approval_again(effect: Effect) -> None:
    known = parent(of=graph(node("a", 21), started=False))
    parked, instead = refuse(known, effect, Permanent("At most 100."))
    why = (
        "Not all sub-issues could be created (1 of 2 are there; an issue has at most 100, closed ones too, in at most "
        "8 levels). `/approve` goes on with the rest. What GitHub said: At most 100."
    )
    assert (parked.status, parked.why, parked.plan, parked.graph) == (
        Status.NEEDS_REVIEW,
        why,
        proposal(),
        known.graph,
    )
    call = AddComment(task=TASK, key=f"refused-{effect.type}-1", body=why)
    assert instead == (SetLabels(), UpsertComment(), call)


def test_where_no_sub_issue_was_created_that_is_said() -> None:
    parked, _ = refuse(parent().change(graph=None), CreateChild(key="a"), Permanent("No."))
    assert parked.why.startswith("Not all sub-issues could be created (0 of 2 are there;")


def test_a_refused_sub_issue_of_a_plan_that_is_gone_parks_the_task() -> None:
    parked, _ = refuse(build.record(Status.BLOCKED), CreateChild(key="a"), Permanent("No."))
    assert (parked.why, parked.plan) == ("GitHub refused a step, so a person must act: No.", None)
