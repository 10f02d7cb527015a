from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.effects import AddComment, Decision, RemoveLabel, Send, SetLabels, UpsertComment, nothing
from app.domain.events import Refresh, SlotWanted, TaskChecked
from app.domain.facts import Issue, Pull
from app.domain.jobs import run_job
from app.domain.life import finish_merged
from app.domain.record import TaskRecord
from app.domain.task import Status
from handlers.schedule import refresh, task_checked
from tests.unit import build
from tests.unit.build import NOW, TASK

SHOW = (SetLabels(), UpsertComment())
CHECK = TaskChecked(task=TASK)
SECOND = TaskChecked(task=TASK, again=True)
IDLE = [status for status in Status if status not in (Status.ROUTED, Status.IN_PROGRESS)]


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
    snapshot = build.snapshot(build.record(status, head_sha=build.SHA), here(status), pull=pull)
    assert task_checked(CHECK, snapshot) == nothing("nothing was missed")


@pytest.mark.parametrize("status", IDLE)
def test_i4_a_status_label_that_is_wrong_is_put_right(status: Status) -> None:
    decision = task_checked(CHECK, build.snapshot(build.record(status), here(status, Status.ROUTED)))
    mended = build.record(status, shown=(Status.ROUTED,))
    assert decision == Decision("mending what was missed", mended, SHOW)


@pytest.mark.parametrize("status", [Status.ROUTED, Status.IN_PROGRESS])
def test_a_task_that_needs_a_slot_asks_for_it_again(status: Status) -> None:
    wanted = Send(event=SlotWanted(job=run_job(TASK, 2), since=NOW.timestamp()))
    record = build.record(status, attempt=2, shown=(status,))
    decision = task_checked(CHECK, build.snapshot(record, here(status)))
    assert decision == Decision("mending what was missed", record, (wanted,))


@pytest.mark.parametrize(("shown", "effects"), [((), SHOW), ((Status.DONE,), ())])
def test_without_the_issue_what_was_shown_last_counts(
    shown: tuple[Status, ...], effects: tuple[SetLabels | UpsertComment, ...]
) -> None:
    decision = task_checked(CHECK, build.snapshot(build.record(Status.DONE, shown=shown)))
    assert decision.effects == effects


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
