from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain import life
from app.domain.effects import AddComment, Decision, RemoveLabel, Send, SetLabels, UpsertComment, nothing
from app.domain.events import Refresh, SlotWanted, TaskChecked
from app.domain.facts import CheckState, CutOff, Issue, Pull
from app.domain.jobs import run_job
from app.domain.life import finish_merged
from app.domain.record import TaskRecord
from app.domain.strategies.starting import resume
from app.domain.task import Status
from handlers.schedule import refresh, task_checked
from tests.unit import build
from tests.unit.build import NOW, TASK
from tests.unit.families import blocked, graph, parent

SHOW = (SetLabels(), UpsertComment())
CHECK = TaskChecked(task=TASK)
SECOND = TaskChecked(task=TASK, again=True)
IDLE = [status for status in Status if status not in (Status.NEW, Status.BLOCKED, Status.ROUTED, Status.IN_PROGRESS)]


def here(status: Status, shown: Status | None = None) -> Issue:
    """Make the issue of a task in that status, on which nothing was done."""
    return build.issue("orch", f"status:{shown or status}", is_open=not status.is_final)


@pytest.mark.parametrize("shown", [(), (Status.ROUTED,), (Status.ROUTED, Status.IN_PROGRESS)])
def test_a_status_that_is_not_shown_yet_is_shown(shown: tuple[Status, ...]) -> None:
    decision = refresh(Refresh(task=TASK), build.snapshot(build.record(shown=shown)))
    assert decision == Decision("the status was not shown yet", effects=SHOW)


@pytest.mark.parametrize("record", [None, build.record(shown=(Status.IN_PROGRESS,))])
def test_i2_what_is_shown_is_not_shown_again(record: TaskRecord | None) -> None:
    assert refresh(Refresh(task=TASK), build.snapshot(record)) == nothing("what is shown is what is")


def test_i9_a_merge_that_was_missed_finishes_the_task() -> None:
    record = build.record(Status.IN_REVIEW, pull=30)
    decision = task_checked(CHECK, build.snapshot(record, build.issue(), pull=build.pull(30, False, True)))
    finished = finish_merged(record, 30)
    assert decision == replace(finished, effects=(*finished.effects, Send(event=CHECK)))


@pytest.mark.parametrize(
    ("status", "pull"),
    [(Status.IN_REVIEW, None), (Status.IN_REVIEW, build.pull()), (Status.DONE, build.pull(30, False, True))],
)
def test_where_nothing_was_missed_nothing_happens(status: Status, pull: Pull | None) -> None:
    record = build.record(status, head_sha=build.SHA, checked=build.SHA)
    snapshot = build.snapshot(record, here(status), pull=pull)
    assert task_checked(CHECK, snapshot) == nothing("nothing was missed")


@pytest.mark.parametrize("status", IDLE)
def test_i4_a_status_label_that_is_wrong_is_put_right(status: Status) -> None:
    decision = task_checked(CHECK, build.snapshot(build.record(status), here(status, Status.ROUTED)))
    mended = build.record(status, shown=(Status.ROUTED,))
    assert decision == Decision("mending what was missed", mended, SHOW)


@pytest.mark.parametrize("status", [Status.ROUTED, Status.IN_PROGRESS])
def test_a_task_that_needs_a_slot_asks_for_it_again(status: Status) -> None:
    wanted = Send(event=SlotWanted(job=run_job(TASK, 2), since=NOW.timestamp(), agent="script"))
    record = build.record(status, attempt=2, shown=(status,))
    decision = task_checked(CHECK, build.snapshot(record, here(status)))
    assert decision == Decision("mending what was missed", record, (wanted,))


@pytest.mark.parametrize(("shown", "effects"), [((), SHOW), ((Status.DONE,), ())])
def test_without_the_issue_what_was_shown_last_counts(
    shown: tuple[Status, ...], effects: tuple[SetLabels | UpsertComment, ...]
) -> None:
    decision = task_checked(CHECK, build.snapshot(build.record(Status.DONE, shown=shown)))
    assert decision.effects == effects


def missed(record: TaskRecord, issue: Issue | None, pull: Pull | None = None) -> Decision:
    """Check a task of which the store knows less than GitHub says."""
    return task_checked(CHECK, build.snapshot(record, issue, pull=pull))


def told_again(decision: Decision | None) -> Decision:
    """Return the decision with the next look that follows a fact."""
    assert decision is not None
    return replace(decision, effects=(*decision.effects, Send(event=CHECK)))


CLOSED = build.issue("orch", "status:in_progress", is_open=False, reason="not_planned")
OPEN = build.issue("orch", "status:in_progress")
IN_REVIEW = build.record(Status.IN_REVIEW, pull=30, head_sha=build.SHA, checked=build.SHA)


def test_i9_what_happened_to_the_issue_is_found() -> None:
    off, other = build.issue("status:in_progress"), build.issue("orch", "status:in_progress", body="Other.")
    done, gone = build.record(Status.DONE), "The issue was deleted or transferred, so the task ends here."
    assert missed(build.record(), CLOSED) == told_again(life.closed(build.record(), CLOSED))
    assert missed(done, OPEN) == told_again(life.reopened(done, OPEN, None, "orch"))
    assert missed(build.record(), off) == told_again(life.withdrawn(build.record(), off, "orch"))
    assert missed(build.record(), other) == told_again(life.edited(build.record(), other))
    assert missed(build.record(), None) == told_again(life.gone(build.record(), gone))


@pytest.mark.parametrize("pull", [build.pull(30, False), build.pull(head_sha=build.OTHER_SHA)])
def test_i9_what_happened_to_the_pull_request_is_found(pull: Pull) -> None:
    assert missed(IN_REVIEW, OPEN, pull) == told_again(life.pull_followed(IN_REVIEW, pull, "orch"))


def test_i12_looks_end_when_every_fact_is_known() -> None:
    record, looks = IN_REVIEW, 0
    issue = build.issue("status:in_review", body="Other.")
    while isinstance(after := missed(record, issue, build.pull(30, False)).record, TaskRecord):
        record, looks = after, looks + 1
        issue = issue.model_copy(update={"labels": frozenset({f"status:{record.status}"})})
    assert (record.status, record.pull_closed, record.edited, looks) == (Status.PAUSED, True, True, 3)


def test_a_task_has_the_names_of_now() -> None:
    renamed = build.task(12, build.repository(name="gadgets"))
    decision = task_checked(TaskChecked(task=renamed), build.snapshot(IN_REVIEW, here(Status.IN_REVIEW)))
    assert decision == Decision("the repository has another name", IN_REVIEW.change(task=renamed))


@pytest.mark.parametrize("was", [CutOff.ARCHIVED, CutOff.SUSPENDED])
def test_what_was_stopped_without_anybodys_wish_goes_on_by_itself(was: CutOff) -> None:
    record = build.record(Status.PAUSED, cut_off=was)
    why = f"Orch was cut off from here ({was.value}) and goes on with a new attempt."
    assert missed(record, OPEN) == told_again(resume(record, build.snapshot(), why))


@pytest.mark.parametrize(
    ("was", "issue"), [(CutOff.REMOVED, OPEN), (CutOff.SUSPENDED, build.issue("status:in_progress"))]
)
def test_otherwise_a_person_has_it_go_on(was: CutOff, issue: Issue) -> None:
    why = (
        f"Orch was cut off from here ({was.value}) and can write again. To have Orch work on it again, a person with "
        "write access takes the label `orch` off and puts it on again."
    )
    expected = Decision("Orch can write here again", build.record(Status.PAUSED, why=why), SHOW)
    assert missed(build.record(Status.PAUSED, cut_off=was), issue) == told_again(expected)


def test_nothing_is_shown_where_nothing_can_be_written() -> None:
    decision = refresh(Refresh(task=TASK), build.snapshot(build.record(Status.PAUSED, cut_off=CutOff.ARCHIVED)))
    assert decision == nothing("what is shown is what is")


@pytest.mark.parametrize("issue", [None, build.issue("bug"), build.issue("orch", "status:new", is_open=False)])
@pytest.mark.parametrize("event", [CHECK, SECOND])
def test_an_issue_that_is_no_task_is_left_alone(event: TaskChecked, issue: Issue | None) -> None:
    assert task_checked(event, build.snapshot(at=issue)) == nothing("there is no task")


@pytest.mark.parametrize("issue", [build.issue("orch"), build.issue("Orch"), build.issue("status:routed")])
def test_an_issue_that_looks_like_a_task_is_looked_at_again(issue: Issue) -> None:
    decision = task_checked(CHECK, build.snapshot(at=issue))
    again = Send(event=SECOND, delay=build.POLICY.claim_after)
    assert decision == Decision("nobody has taken the issue on yet", effects=(again,))


def test_people_are_told_of_an_issue_that_nobody_took_on() -> None:
    decision = task_checked(SECOND, build.snapshot(at=build.issue("orch", "status:routed", "status:done")))
    *taken_off, told = decision.effects
    assert (decision.why, decision.record) == ("the issue's label was missed", None)
    assert taken_off == [RemoveLabel(task=TASK, label=f"status:{status}") for status in ("routed", "done")]
    assert isinstance(told, AddComment)
    assert told.body.endswith("take the label `orch` off and put it on again.")


def test_i12_people_are_told_once_for_a_text_however_often_the_issue_is_touched() -> None:
    issue = build.issue("orch")
    later = issue.model_copy(update={"updated_at": NOW + timedelta(hours=1)})
    edited = issue.model_copy(update={"body": "Another text."})
    decisions = [task_checked(SECOND, build.snapshot(at=seen)) for seen in (issue, later, edited)]
    assert decisions[0] == decisions[1] != decisions[2]


def sweep(record: TaskRecord = IN_REVIEW, **seen: Any) -> Decision:
    """Look at a task in review of which GitHub shows more than the pull request."""
    return task_checked(CHECK, replace(build.snapshot(record, here(record.status), pull=build.pull()), **seen))


def test_a_command_that_was_missed_is_told_again() -> None:
    event = build.commented("/stop")
    decision = sweep(comments=(build.comment(50, "/stop"),))
    assert decision == Decision("missed: `writer` wrote `/stop`", effects=(Send(event=event),))


def test_what_was_missed_and_what_is_wrong_are_both_mended() -> None:
    wrong = replace(
        build.snapshot(IN_REVIEW, here(Status.IN_REVIEW, Status.DONE), pull=build.pull()),
        comments=(build.comment(50, "/stop"),),
    )
    decision = task_checked(CHECK, wrong)
    assert decision.record == IN_REVIEW.change(shown=(Status.DONE,))
    assert decision.effects == (*SHOW, Send(event=build.commented("/stop")))
    renamed = build.task(12, build.repository(name="gadgets"))
    moved = task_checked(TaskChecked(task=renamed), replace(wrong, issue=here(Status.IN_REVIEW)))
    assert moved.record == IN_REVIEW.change(task=renamed)


def test_checks_whose_end_was_missed_are_followed() -> None:
    record = IN_REVIEW.change(checked=None)
    decision = sweep(record, checks=(build.check(),))
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.status, decision.record.checked) == (Status.ROUTED, build.SHA)
    for checks in (None, (build.check(CheckState.PASSED),)):
        assert sweep(record, checks=checks) == nothing("nothing was missed")


@pytest.mark.parametrize("left_open", [True, False])
def test_a_task_that_ended_while_its_issue_stayed_open_is_not_taken_for_reopened(left_open: bool) -> None:
    record = build.record(Status.CANCELLED, left_open=left_open)
    decision = missed(record, build.issue("status:cancelled"))
    assert (decision == nothing("nothing was missed")) is left_open


def test_a_parent_that_was_stopped_without_anybodys_wish_waits_for_its_sub_issues_again() -> None:
    after = missed(parent(Status.PAUSED, cut_off=CutOff.SUSPENDED), OPEN)
    assert isinstance(after.record, TaskRecord)
    assert (after.record.status, after.record.graph) == (Status.BLOCKED, graph())


def test_a_link_that_was_missed_is_followed_and_looked_at_again() -> None:
    known = blocked(7)
    seen = build.snapshot(known, here(Status.BLOCKED), blockers=())
    decision = task_checked(CHECK, seen)
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.status, decision.effects[-1]) == (Status.ROUTED, Send(event=CHECK))


def test_what_others_may_have_lost_is_told_again_at_each_look() -> None:
    known = build.record(Status.IN_REVIEW, locks=("src",), head_sha=build.SHA)
    decision = task_checked(CHECK, build.snapshot(known, here(Status.IN_REVIEW)))
    assert decision == Decision(
        "mending what was missed", known.change(shown=(Status.IN_REVIEW,)), (life.keep_paths(known),)
    )
