from dataclasses import replace
from typing import Any

import pytest

from app.domain import life
from app.domain.effects import AddComment, Decision, RemoveLabel, Send, nothing
from app.domain.events import IssueClosed, IssueDeleted, IssueEdited, IssueReopened, IssueTransferred, MergeAwaited
from app.domain.facts import Issue, Pull
from app.domain.graph import NodeState
from app.domain.graph_events import IssueMoved
from app.domain.names import TaskRef
from app.domain.record import TaskRecord
from app.domain.task import Status
from handlers.issue_life import (
    HANDLERS,
    NO_TASK,
    LifeEvent,
    issue_closed,
    issue_deleted,
    issue_edited,
    issue_reopened,
    issue_transferred,
    merge_awaited,
    not_ours,
)
from tests.unit import build
from tests.unit.build import SELF, TASK, WRITER
from tests.unit.families import PARENT

THERE = TaskRef(repository=build.repository(2, name="elsewhere"), number=3)
LABELS = ("orch", "status:in_progress")
EDITED = IssueEdited(task=TASK, actor=WRITER, labels=LABELS)
CLOSED = IssueClosed(task=TASK, actor=WRITER, labels=LABELS)
CLOSED_AGAIN = IssueClosed(task=TASK, actor=WRITER, labels=LABELS, again=True)
REOPENED = IssueReopened(task=TASK, actor=WRITER, labels=LABELS)
TRANSFERRED = IssueTransferred(task=TASK, actor=WRITER, labels=LABELS, target=THERE)
DELETED = IssueDeleted(task=TASK, actor=WRITER, labels=LABELS)
SHUT = build.issue("orch", is_open=False, reason="completed")
IN_REVIEW = build.record(Status.IN_REVIEW, pull=30)


def test_an_issue_that_is_no_task_may_live_as_it_likes() -> None:
    seen = build.snapshot(at=SHUT)
    decisions = [issue_edited(EDITED, seen), issue_closed(CLOSED, seen), issue_reopened(REOPENED, seen)]
    assert [*decisions, issue_transferred(TRANSFERRED, seen), issue_deleted(DELETED, seen)] == [NO_TASK] * 5


def test_an_edit_is_judged_by_the_text_of_now() -> None:
    other = build.issue("orch", body="Another text.")
    assert issue_edited(EDITED, build.snapshot(build.record(), other)) == life.edited(build.record(), other)
    same = issue_edited(EDITED, build.snapshot(build.record(), build.issue("orch")))
    assert same == nothing("what is said of the text is right")
    assert issue_edited(EDITED, build.snapshot(build.record())) == NO_TASK


def test_a_closing_without_a_pull_request_ends_the_task() -> None:
    expected = life.closed(build.record(), SHUT, "writer")
    assert issue_closed(CLOSED, build.snapshot(build.record(), SHUT)) == expected


def test_a_closing_with_a_pull_request_first_goes_where_a_merge_is_heard_of() -> None:
    awaited = MergeAwaited(pull=30, closed=CLOSED_AGAIN)
    assert issue_closed(CLOSED, build.snapshot(IN_REVIEW)) == Decision(
        "a merge may have closed the issue", effects=(Send(event=awaited),)
    )
    assert merge_awaited(awaited, build.snapshot()) == Decision(
        "what happened to the pull request was told", effects=(Send(event=CLOSED_AGAIN),)
    )
    assert awaited.group == "repository:1/30"


def test_a_merge_that_nobody_told_of_is_found() -> None:
    seen = build.snapshot(IN_REVIEW, SHUT, pull=build.pull(30, False, True))
    assert issue_closed(CLOSED_AGAIN, seen) == life.finish_merged(IN_REVIEW, 30)


def test_without_a_merge_the_closing_counts() -> None:
    seen = build.snapshot(IN_REVIEW, SHUT, pull=build.pull())
    assert issue_closed(CLOSED_AGAIN, seen) == life.closed(IN_REVIEW, SHUT, "writer")


@pytest.mark.parametrize(
    ("record", "issue", "why"),
    [
        (build.record(Status.DONE), SHUT, "the task is done already"),
        (build.record(), None, "the issue is not there any more"),
        (build.record(), build.issue("orch"), "the issue was reopened meanwhile"),
    ],
)
def test_i2_a_closing_that_is_over_changes_nothing(record: TaskRecord, issue: Issue | None, why: str) -> None:
    assert issue_closed(CLOSED, build.snapshot(record, issue)) == nothing(why)


@pytest.mark.parametrize("pull", [None, build.pull(30, False, True)])
def test_a_reopening_is_judged_by_the_issue_and_pull_request_of_now(pull: Pull | None) -> None:
    record, issue = build.record(Status.DONE, pull=30), build.issue("orch")
    expected = life.reopened(record, issue, pull, "orch")
    assert issue_reopened(REOPENED, build.snapshot(record, issue, pull=pull)) == expected


def test_i2_a_reopening_that_is_over_changes_nothing() -> None:
    why = "the task was not finished, or the issue is closed again"
    assert issue_reopened(REOPENED, build.snapshot(build.record(), build.issue("orch"))) == nothing(why)
    assert issue_reopened(REOPENED, build.snapshot(build.record(Status.DONE))) == NO_TASK


@pytest.mark.parametrize(
    ("record", "left"), [(build.record(), ""), (IN_REVIEW, " Pull request owner/project#30 stays open.")]
)
def test_a_transferred_issue_gets_a_word_where_it_is_now(record: TaskRecord, left: str) -> None:
    record = record.change(shown=(Status.ROUTED,))
    body = (
        f"Orch worked on this issue as owner/project#12 and stopped when it was transferred.{left} To have Orch work "
        "on it here, a person with write access puts the label `orch` on (first off, if it is on)."
    )
    off = (RemoveLabel(task=THERE, label=f"status:{status}") for status in (Status.ROUTED, record.status))
    told = AddComment(task=THERE, key="from-repository:1/12", body=body)
    why = "The issue was transferred to owner/elsewhere#3, so the task ends here."
    assert issue_transferred(TRANSFERRED, build.snapshot(record)) == life.gone(record, why, *off, told)


def test_a_deleted_issue_is_told_nowhere() -> None:
    expected = life.gone(build.record(), "`writer` deleted the issue, so the task ends.")
    assert issue_deleted(DELETED, build.snapshot(build.record())) == expected


def test_i2_a_finished_task_does_not_end_again() -> None:
    seen, over = build.snapshot(build.record(Status.DONE)), nothing("the task is done already")
    assert (issue_transferred(TRANSFERRED, seen), issue_deleted(DELETED, seen)) == (over, over)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (EDITED, None),
        (CLOSED.model_copy(update={"labels": ("bug", "Orch")}), None),
        (CLOSED.model_copy(update={"labels": ("Status:done",)}), None),
        (CLOSED.model_copy(update={"labels": ("bug",)}), "the issue has no label of Orch's"),
        (CLOSED.model_copy(update={"actor": SELF}), "Orch did it itself"),
    ],
)
def test_issues_that_are_no_tasks_are_skipped_before_anything_is_read(event: LifeEvent, why: str | None) -> None:
    assert not_ours(event, build.snapshot()) == why


@pytest.mark.parametrize(
    ("event", "record", "settled"),
    [
        (CLOSED, build.record(), False),
        (CLOSED, IN_REVIEW, True),
        (CLOSED_AGAIN, IN_REVIEW, False),
        (CLOSED_AGAIN, build.record(Status.DONE), True),
        (REOPENED, build.record(Status.DONE), False),
        (REOPENED, IN_REVIEW, True),
        (EDITED, build.record(Status.DONE), False),
    ],
)
def test_nothing_is_read_where_the_record_decides(event: LifeEvent, record: TaskRecord, settled: bool) -> None:
    (handler,) = [handler for handler in HANDLERS if handler.event is type(event)]
    assert handler.settled(event, record) is settled


def moved(state: NodeState = NodeState.COMPLETED, blocking: int = 2, parent: int | None = 5) -> Send:
    return Send(event=IssueMoved(task=TASK, state=state, blocking=blocking, parent=parent))


LINKED: dict[str, Any] = {"blocking": 2, "parent": 5}
LINKED_CLOSED = CLOSED.model_copy(update=LINKED)
KNOWN: dict[str, Any] = {"dependents": (build.task(30), build.task(31)), "parent": PARENT}


@pytest.mark.parametrize("event", [LINKED_CLOSED, LINKED_CLOSED.model_copy(update={"actor": SELF})])
def test_those_who_wait_for_an_issue_that_is_no_task_are_told_of_its_end(event: IssueClosed) -> None:
    assert issue_closed(event, build.snapshot()) == Decision("others may wait for the issue", effects=(moved(),))


def test_those_who_wait_for_an_issue_that_is_no_task_are_told_that_it_is_open_again() -> None:
    event = REOPENED.model_copy(update=LINKED)
    told = Decision("others may wait for the issue", effects=(moved(NodeState.OPEN),))
    assert issue_reopened(event, build.snapshot()) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [({}, (moved(),)), ({"parent": PARENT}, (moved(parent=None),)), ({**KNOWN, "parent": None}, (moved(blocking=0),))],
)
def test_a_closing_by_a_person_tells_those_of_whom_the_task_does_not_know(changes: Any, told: Any) -> None:
    record = build.record(**changes)
    ended = life.closed(record, SHUT, "writer")
    assert ended is not None
    after = replace(ended, effects=(*ended.effects, *told))
    assert issue_closed(LINKED_CLOSED, build.snapshot(record, SHUT)) == after


def test_those_of_whom_the_task_knows_are_told_by_itself() -> None:
    record = build.record(**KNOWN)
    assert issue_closed(LINKED_CLOSED, build.snapshot(record, SHUT)) == life.closed(record, SHUT, "writer")
    by_orch = LINKED_CLOSED.model_copy(update={"actor": SELF})
    told = nothing("who waits for it is told by its task")
    assert issue_closed(by_orch, build.snapshot(build.record(Status.DONE, **KNOWN))) == told


def test_a_reopening_tells_those_of_whom_the_task_does_not_know() -> None:
    record, issue = build.record(Status.DONE), build.issue("orch")
    waiting = life.reopened(record, issue, None, "orch")
    assert waiting is not None
    after = replace(waiting, effects=(*waiting.effects, moved(NodeState.OPEN)))
    assert issue_reopened(REOPENED.model_copy(update=LINKED), build.snapshot(record, issue)) == after


def test_an_issue_that_is_closed_after_its_task_ended_blocks_no_more() -> None:
    record = build.record(Status.CANCELLED, left_open=True, **KNOWN)
    after = Decision("the issue was closed after its task", record.change(left_open=False), (moved(),))
    assert issue_closed(LINKED_CLOSED, build.snapshot(record)) == after


@pytest.mark.parametrize(("event", "skipped"), [(LINKED_CLOSED, False), (CLOSED, True)])
def test_a_closing_by_orch_counts_where_others_may_wait(event: IssueClosed, skipped: bool) -> None:
    why = not_ours(event.model_copy(update={"actor": SELF}), build.snapshot())
    assert why == ("Orch did it itself" if skipped else None)


def test_no_record_is_looked_for_where_somebody_merely_waits() -> None:
    [handler] = [one for one in HANDLERS if one.event is IssueClosed]
    assert handler.only_known(LINKED_CLOSED.model_copy(update={"labels": ()}), build.snapshot())
    assert not handler.only_known(LINKED_CLOSED.model_copy(update={"labels": ("plan",)}), build.snapshot())
