from typing import Any

import pytest

from app.domain.effects import (
    CloseIssue,
    Decision,
    DeleteRef,
    Enqueue,
    Send,
    SetLabels,
    StopRun,
    UpsertComment,
    nothing,
)
from app.domain.events import PullChanged, PullClosed, PullEvent, PullMerged, SlotFreed
from app.domain.facts import Pull
from app.domain.jobs import cleanup_job
from app.domain.life import finish_merged, pull_followed
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.task import Status
from handlers.pull_requests import HANDLERS, pull_changed, pull_closed, pull_merged, pull_pushed, pull_reopened
from tests.unit import build
from tests.unit.build import JOB, OTHER_SHA, RUN, SELF, SHA, TASK, WRITER

BRANCH = build.record().branch
MERGED = PullMerged(task=TASK, pull=30, branch=BRANCH)
FREED = Send(event=SlotFreed(job_id=JOB.id))
WHY = "Pull request #30 was merged."
LEFT_OVER = (
    CloseIssue(),
    DeleteRef(ref=f"refs/heads/{BRANCH}"),
    Enqueue(job=cleanup_job(TASK, 1)),
    SetLabels(),
    UpsertComment(),
)


def test_a_merge_is_told_to_the_task_behind_it() -> None:
    decision = pull_closed(build.closed(BRANCH), build.snapshot())
    assert decision == Decision("pull request #30 was merged", effects=(Send(event=MERGED),))


def test_branches_are_known_by_the_operators_prefix() -> None:
    snapshot = build.snapshot(policy=Policy(branch_prefix="bot"))
    assert pull_closed(build.closed("bot/12-x"), snapshot).why == "pull request #30 was merged"
    assert pull_closed(build.closed(BRANCH), snapshot) == nothing("the pull request is not Orch's")


@pytest.mark.parametrize(
    "event",
    [
        build.closed("feature"),
        build.closed(BRANCH, head_repository_id=2),
        build.closed(BRANCH, head_repository_id=None),
    ],
    ids=["branch", "fork", "fork that is gone"],
)
def test_i7_a_pull_request_that_is_not_orchs_means_nothing(event: PullClosed) -> None:
    assert pull_closed(event, build.snapshot()) == nothing("the pull request is not Orch's")


CHANGED = PullChanged(task=TASK, pull=30, branch=BRANCH, actor=WRITER)
PUSHED = CHANGED.model_copy(update={"head_sha": SHA})


@pytest.mark.parametrize(
    ("decide", "event", "what"),
    [
        (pull_closed, build.closed(BRANCH, merged=False), "closed without a merge"),
        (pull_reopened, build.reopened(BRANCH), "reopened"),
        (pull_pushed, build.pushed(BRANCH), "pushed to"),
    ],
)
def test_what_else_happens_to_a_pull_request_is_told_to_the_task(decide: Any, event: PullEvent, what: str) -> None:
    told = PUSHED if what == "pushed to" else CHANGED
    expected = Decision(f"pull request #30 was {what}", effects=(Send(event=told),))
    assert decide(event, build.snapshot()) == expected
    stranger = event.model_copy(update={"head_repository_id": 2})
    assert decide(stranger, build.snapshot()) == nothing("the pull request is not Orch's")


def test_i2_a_head_that_orch_put_there_is_news_to_nobody() -> None:
    [settled] = [handler.settled for handler in HANDLERS if handler.event is PullChanged]
    record = build.record(Status.IN_REVIEW, pull=30, runs=(build.summary(),), head_sha=OTHER_SHA, own_head=False)
    for event in (PUSHED, PUSHED.model_copy(update={"actor": SELF})):
        assert settled(event, record)
        assert pull_changed(event, build.snapshot(record)) == nothing("Orch moved the branch itself")
    assert not settled(PUSHED.model_copy(update={"head_sha": OTHER_SHA}), record)
    assert not settled(CHANGED, record)


def test_a_persons_push_on_top_of_orchs_is_told_by_itself() -> None:
    record = build.record(Status.IN_REVIEW, pull=30, head_sha="3" * 40)
    event = PUSHED.model_copy(update={"actor": SELF})
    decision = pull_changed(event, build.snapshot(record, pull=build.pull(head_sha=OTHER_SHA)))
    assert decision == nothing("somebody pushed since, which is told by itself")


def test_what_github_merged_into_the_branch_for_orch_is_orchs_own() -> None:
    record = build.record(Status.IN_REVIEW, pull=30, head_sha=OTHER_SHA)
    event = PUSHED.model_copy(update={"actor": SELF})
    decision = pull_changed(event, build.snapshot(record, pull=build.pull()))
    assert decision == pull_followed(record, build.pull(), "orch", by_orch=True)
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.head_sha, decision.record.own_head) == (SHA, True)


@pytest.mark.parametrize(
    ("record", "pull"),
    [
        (None, build.pull()),
        (build.record(Status.IN_REVIEW, pull=30), None),
        (build.record(Status.IN_REVIEW, pull=31), build.pull()),
        (build.record(Status.ROUTED, branch="orch/12-another"), build.pull()),
        (build.record(Status.NEEDS_REVIEW, merged_before=(30,)), build.pull()),
    ],
    ids=["no task", "gone", "another", "a branch that people made", "merged before the issue was reopened"],
)
def test_a_change_of_another_pull_request_means_nothing(record: TaskRecord | None, pull: Pull | None) -> None:
    decision = pull_changed(CHANGED, build.snapshot(record, pull=pull))
    assert decision == nothing("the pull request is not the task's")


@pytest.mark.parametrize("record", [build.record(Status.IN_REVIEW, pull=30), build.record(Status.ROUTED)])
def test_i2_a_pull_request_that_is_merged_by_now_finishes_the_task(record: TaskRecord) -> None:
    decision = pull_changed(CHANGED, build.snapshot(record, pull=build.pull(30, False, True)))
    assert decision == finish_merged(record, 30)


def test_a_change_is_followed_in_the_name_of_who_made_it() -> None:
    record, pull = build.record(Status.IN_REVIEW, pull=30, head_sha=SHA), build.pull(head_sha=OTHER_SHA)
    decision = pull_changed(CHANGED, build.snapshot(record, pull=pull))
    assert decision == pull_followed(record, pull, "orch", "writer")
    known = pull_changed(CHANGED, build.snapshot(record, pull=build.pull()))
    assert known == nothing("the task knows what the pull request is now")


def test_a_merge_finishes_the_task() -> None:
    decision = pull_merged(MERGED, build.snapshot(build.record(Status.IN_REVIEW, pull=30)))
    done = build.record(Status.DONE, why=WHY, pull=30)
    assert decision == Decision("pull request #30 was merged", done, (FREED, *LEFT_OVER))


def test_a_merge_stops_what_still_runs() -> None:
    decision = pull_merged(MERGED, build.snapshot(build.record()))
    done = build.record(Status.DONE, why=WHY, pull=30, stopping=RUN)
    assert decision == Decision("pull request #30 was merged", done, (StopRun(run_id=RUN), FREED, *LEFT_OVER))


def test_a_merge_of_a_task_without_a_job_frees_no_slot() -> None:
    decision = pull_merged(MERGED, build.snapshot(build.record(Status.NEEDS_REVIEW, job_id=None)))
    assert decision.effects == LEFT_OVER


@pytest.mark.parametrize(
    "record",
    [
        None,
        build.record(Status.IN_REVIEW, pull=31),
        build.record(Status.ROUTED, branch="orch/12-another"),
        build.record(Status.NEEDS_REVIEW, merged_before=(30,)),
    ],
    ids=["no task", "another pull request", "a branch that people made", "merged before the issue was reopened"],
)
def test_a_merge_of_another_pull_request_changes_nothing(record: TaskRecord | None) -> None:
    assert pull_merged(MERGED, build.snapshot(record)) == nothing("the merged pull request is not the task's")


def test_i2_a_merge_is_handled_once() -> None:
    assert pull_merged(MERGED, build.snapshot(build.record(Status.DONE))) == nothing("the task is done already")


def test_i2_a_merge_of_a_cancelled_tasks_pull_request_is_noted_once() -> None:
    cancelled = build.record(Status.CANCELLED, pull=30, head_sha=SHA)
    decision = pull_merged(MERGED, build.snapshot(cancelled))
    assert decision.record == build.record(Status.CANCELLED, merged_before=(30,))
    again = pull_merged(MERGED, build.snapshot(decision.record))
    assert again == nothing("the merged pull request is not the task's")
