import pytest

from app.domain.effects import (
    CancelRun,
    CloseIssue,
    Decision,
    DeleteRef,
    Enqueue,
    Send,
    SetLabels,
    UpsertComment,
    nothing,
)
from app.domain.events import PullClosed, PullMerged, SlotFreed
from app.domain.jobs import cleanup_job
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.task import Status, Trigger, can
from handlers.pull_requests import pull_closed, pull_merged
from tests.unit import build
from tests.unit.build import JOB, RUN, TASK

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


def test_a_pull_request_closed_without_a_merge_finishes_nothing() -> None:
    decision = pull_closed(build.closed(BRANCH, merged=False), build.snapshot())
    assert decision == nothing("the pull request was closed without a merge")


def test_a_merge_finishes_the_task() -> None:
    decision = pull_merged(MERGED, build.snapshot(build.record(Status.IN_REVIEW, pull=30)))
    done = build.record(Status.DONE, why=WHY, pull=30)
    assert decision == Decision("pull request #30 was merged", done, (FREED, *LEFT_OVER))


def test_a_merge_stops_what_still_runs() -> None:
    decision = pull_merged(MERGED, build.snapshot(build.record()))
    done = build.record(Status.DONE, why=WHY, pull=30)
    assert decision == Decision("pull request #30 was merged", done, (CancelRun(run_id=RUN), FREED, *LEFT_OVER))


def test_a_merge_of_a_task_without_a_job_frees_no_slot() -> None:
    decision = pull_merged(MERGED, build.snapshot(build.record(Status.NEEDS_REVIEW, job_id=None)))
    assert decision.effects == LEFT_OVER


@pytest.mark.parametrize(
    "record",
    [
        None,
        build.record(Status.IN_REVIEW, pull=31),
        build.record(Status.ROUTED, branch="orch/12-another"),
    ],
    ids=["no task", "another pull request", "a branch that people made"],
)
def test_a_merge_of_another_pull_request_changes_nothing(record: TaskRecord | None) -> None:
    assert pull_merged(MERGED, build.snapshot(record)) == nothing("the merged pull request is not the task's")


@pytest.mark.parametrize("status", [status for status in Status if not can(status, Trigger.MERGE)])
def test_i2_a_merge_is_handled_once(status: Status) -> None:
    assert pull_merged(MERGED, build.snapshot(build.record(status))) == nothing(f"the task is {status.value} already")
