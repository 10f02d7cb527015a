"""What facts mean for a task; and that each means nothing the second time."""

import pytest

from app.domain import life
from app.domain.effects import (
    AddComment,
    CloseIssue,
    Decision,
    DeleteRef,
    Effect,
    Enqueue,
    Send,
    SetLabels,
    StopRun,
    UpsertComment,
)
from app.domain.events import SlotFreed
from app.domain.facts import CutOff, Issue, Pull
from app.domain.jobs import cleanup_job
from app.domain.names import digest_of
from app.domain.record import TaskRecord
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import BODY, JOB, OTHER_SHA, RUN, SHA, TASK, TITLE

SHOW: tuple[Effect, ...] = (SetLabels(), UpsertComment())
SAY: tuple[Effect, ...] = (UpsertComment(),)
FREED = Send(event=SlotFreed(job_id=JOB.id))
STOP: tuple[Effect, ...] = (StopRun(run_id=RUN), FREED)
TIDY = Enqueue(job=cleanup_job(TASK, 1))
OFF = build.issue("status:in_progress")
COMPLETED = build.issue("orch", is_open=False, reason="completed")
AGAIN = "To have Orch work on it again, a person with write access takes the label `orch` off and puts it on again."
SHUT = build.pull(30, False)


def in_review(**changes: object) -> TaskRecord:
    return build.record(Status.IN_REVIEW, **{"pull": 30, "head_sha": SHA, **changes})


def after(decision: Decision | None) -> TaskRecord:
    assert decision is not None
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def test_taking_the_trigger_off_stops_the_run_and_says_how_to_go_on() -> None:
    why = (
        "`writer` took the label `orch` off, so Orch stopped. "
        "To go on, a person with write access puts the label `orch` on again."
    )
    paused = build.record(Status.PAUSED, why=why, stopping=RUN)
    expected = Decision("the trigger was taken off", paused, (*STOP, *SHOW))
    assert life.withdrawn(build.record(), OFF, "orch", "writer") == expected
    assert life.withdrawn(paused, OFF, "orch", "writer") is None


def test_a_task_that_waits_for_a_runner_gives_its_place_back() -> None:
    decision = life.withdrawn(build.record(Status.ROUTED), OFF, "orch")
    assert decision is not None
    assert decision.effects == (FREED, *SHOW)
    assert after(decision).why.startswith("Somebody took the label `orch` off")


def test_a_pull_request_stays_open_without_the_trigger() -> None:
    decision = life.withdrawn(in_review(), OFF, "orch")
    assert decision is not None
    assert decision.effects == SHOW
    assert "Pull request #30 stays open." in after(decision).why


def test_a_branch_that_orch_made_stays() -> None:
    record = build.record(head_sha=SHA)
    why = after(life.withdrawn(record, OFF, "orch")).why
    assert f"so Orch stopped. The branch `{record.branch}` stays as it is. To go on" in why


def test_the_label_that_counts_is_the_one_the_task_was_asked_by() -> None:
    assert life.withdrawn(build.record(label="Orch"), build.issue("orch"), "ai") is None
    assert after(life.withdrawn(build.record(label=""), build.issue("orch"), "ai")).status is Status.PAUSED


@pytest.mark.parametrize("status", [Status.NEEDS_REVIEW, Status.PAUSED, Status.DONE, Status.CANCELLED])
def test_without_the_trigger_what_waits_for_a_person_stays_so(status: Status) -> None:
    assert life.withdrawn(build.record(status), OFF, "orch") is None


@pytest.mark.parametrize(
    ("reason", "how", "status"),
    [
        ("completed", "as completed", Status.DONE),
        (None, "as completed", Status.DONE),
        ("not_planned", "as not planned", Status.CANCELLED),
        ("duplicate", "as duplicate", Status.CANCELLED),
    ],
)
def test_closing_the_issue_ends_the_task(reason: str | None, how: str, status: Status) -> None:
    issue = build.issue("orch", is_open=False, reason=reason)
    why = f"`writer` closed the issue {how}, so the task ends. To have it taken up again, reopen the issue."
    ended = build.record(status, why=why, run_id=None, stopping=RUN)
    assert life.closed(build.record(), issue, "writer") == Decision(
        f"the issue was closed {how}", ended, (*STOP, TIDY, *SHOW)
    )
    assert life.closed(ended, issue, "writer") is None


def test_a_pull_request_outlives_its_issue() -> None:
    decision = life.closed(in_review(), COMPLETED)
    assert " Pull request #30 stays open: merge or close it yourself." in after(decision).why
    assert "Pull request" not in after(life.closed(in_review(pull_closed=True), COMPLETED)).why


def test_an_issue_that_is_open_again_was_not_closed() -> None:
    assert life.closed(build.record(), build.issue("orch")) is None


def test_a_merge_stops_what_runs_and_cleans_up() -> None:
    why = "Pull request #30 was merged."
    done = build.record(Status.DONE, why=why, pull=30, stopping=RUN)
    left_over = (CloseIssue(), DeleteRef(ref=f"refs/heads/{done.branch}"), TIDY)
    expected = Decision("pull request #30 was merged", done, (*STOP, *left_over, *SHOW))
    assert life.merged(build.record(pull_closed=True), build.pull(30, False, True)) == expected


@pytest.mark.parametrize(
    ("record", "pull"),
    [
        (in_review(), None),
        (in_review(), build.pull()),
        (build.record(Status.DONE, pull=30), build.pull(30, False, True)),
        (build.record(Status.NEEDS_REVIEW, merged_before=(30,)), build.pull(30, False, True)),
    ],
    ids=["none", "open", "finished", "merged before the issue was reopened"],
)
def test_i2_what_is_not_merged_now_finishes_nothing(record: TaskRecord, pull: Pull | None) -> None:
    assert life.merged(record, pull) is None


@pytest.mark.parametrize("status", [Status.DONE, Status.CANCELLED])
def test_a_reopened_issue_waits_for_a_person(status: Status) -> None:
    why = f"The issue was reopened. {AGAIN}"
    call = AddComment(task=TASK, key="reopened-1", body=why)
    record = build.record(status, pull=30, head_sha=SHA)
    waiting = build.record(Status.NEEDS_REVIEW, why=why, pull=30, head_sha=SHA)
    expected = Decision("the issue was reopened", waiting, (*SHOW, call))
    assert life.reopened(record, build.issue("orch"), build.pull(), "orch") == expected
    assert life.reopened(waiting, build.issue("orch"), build.pull(), "orch") is None


def test_after_a_merge_a_reopened_issue_begins_a_branch_of_its_own() -> None:
    record = build.record(Status.DONE, pull=30, head_sha=SHA, merged_before=(20,))
    waiting = after(life.reopened(record, build.issue("orch"), build.pull(30, False, True), "orch"))
    assert (waiting.pull, waiting.head_sha, waiting.merged_before) == (None, None, (20, 30))


def test_an_issue_that_is_closed_again_was_not_reopened() -> None:
    assert life.reopened(build.record(Status.DONE), COMPLETED, None, "orch") is None


def test_the_pull_request_of_a_paused_task_is_reviewed_again() -> None:
    paused = build.record(Status.PAUSED, pull=30, edited=True, cut_off=CutOff.ARCHIVED)
    reviewed = build.record(Status.IN_REVIEW, why="Pull request #30 waits for review.", pull=30)
    digest = digest_of(TITLE, BODY)
    assert life.reviewed_again(paused, build.pull(), digest) == Decision("the review goes on", reviewed, SHOW)


@pytest.mark.parametrize(
    ("status", "pull", "text"),
    [
        (Status.NEEDS_REVIEW, build.pull(), BODY),
        (Status.PAUSED, None, BODY),
        (Status.PAUSED, SHUT, BODY),
        (Status.PAUSED, build.pull(), "Another text."),
    ],
)
def test_otherwise_the_label_asks_for_a_new_attempt(status: Status, pull: Pull | None, text: str) -> None:
    assert life.reviewed_again(build.record(status), pull, digest_of(TITLE, text)) is None


def test_i7_an_edited_text_is_not_followed_and_that_is_said() -> None:
    other = build.issue("orch", body="Say goodbye.")
    expected = Decision("the text was edited and is not followed", build.record(edited=True), (UpsertComment(),))
    assert life.edited(build.record(), other) == expected
    assert life.edited(build.record(edited=True), other) is None
    back = Decision("the text is again the one that is followed", build.record(), (UpsertComment(),))
    assert life.edited(build.record(edited=True), build.issue("orch")) == back
    assert life.edited(build.record(Status.DONE), other) is None


def test_what_is_gone_is_told_nowhere() -> None:
    ended = build.record(Status.CANCELLED, why="Gone.", stopping=RUN, cut_off=CutOff.GONE, shown=(Status.CANCELLED,))
    assert life.gone(build.record(), "Gone.") == Decision("Gone.", ended, (*STOP, TIDY))
    assert life.gone(ended, "Gone.") is None


@pytest.mark.parametrize("because", [CutOff.ARCHIVED, CutOff.SUSPENDED, CutOff.REMOVED])
def test_work_is_stopped_and_nothing_written_where_orch_is_cut_off(because: CutOff) -> None:
    decision = life.cut_off(build.record(), because)
    assert decision is not None
    assert decision.effects == STOP
    paused = build.record(Status.PAUSED, why=decision.why, stopping=RUN, cut_off=because)
    assert after(decision) == paused
    assert life.cut_off(paused, because) is None
    assert life.cut_off(in_review(), because) is None


def test_a_deleted_repository_ends_its_tasks() -> None:
    why = "The repository was deleted, so the task ends."
    assert life.cut_off(in_review(), CutOff.GONE) == life.gone(in_review(), why)


@pytest.mark.parametrize(("record", "stop"), [(in_review(), ()), (build.record(pull=30), STOP)])
def test_a_pull_request_closed_unmerged_calls_a_person(record: TaskRecord, stop: tuple[Effect, ...]) -> None:
    why = (
        "Pull request #30 was closed without a merge. A person with write access must act: reopen it to have it "
        "reviewed, or take the label `orch` off and put it on again for another attempt."
    )
    call = AddComment(task=TASK, key="closed-30-1", body=why)
    decision = life.pull_followed(record, SHUT, "orch")
    assert decision is not None
    assert decision.effects == (*stop, *SHOW, call)
    parked = build.record(
        Status.NEEDS_REVIEW, why=why, pull=30, head_sha=record.head_sha, pull_closed=True, stopping=record.run_id
    )
    assert after(decision) == parked
    assert life.pull_followed(parked, SHUT, "orch") is None


@pytest.mark.parametrize("status", [Status.NEEDS_REVIEW, Status.PAUSED])
def test_what_waits_for_a_person_already_only_notes_the_closing(status: Status) -> None:
    notice = "Pull request #30 was closed without a merge."
    noted = build.record(status, pull=30, pull_closed=True, notice=notice)
    expected = Decision("the pull request was closed", noted, (UpsertComment(),))
    assert life.pull_followed(build.record(status), SHUT, "orch") == expected


def test_i2_a_new_attempt_is_not_stopped_by_the_closing_it_was_asked_after() -> None:
    assert life.pull_followed(build.record(pull=30, pull_closed=True), SHUT, "orch") is None


def test_a_reopened_pull_request_is_reviewed() -> None:
    known = build.record(Status.NEEDS_REVIEW, pull=30, head_sha=SHA, pull_closed=True)
    reviewed = in_review(why="Pull request #30 was reopened and waits for review.")
    expected = Decision("the pull request was reopened", reviewed, SHOW)
    assert life.pull_followed(known, build.pull(), "orch") == expected
    assert life.pull_followed(reviewed, build.pull(), "orch") is None


def test_a_pull_request_reopened_during_a_run_is_noted() -> None:
    known = build.record(pull=30, head_sha=SHA, pull_closed=True)
    noted = build.record(pull=30, head_sha=SHA)
    expected = Decision("the pull request was reopened", noted, (UpsertComment(),))
    assert life.pull_followed(known, build.pull(), "orch") == expected


def test_commits_that_a_person_pushed_are_kept_and_built_on() -> None:
    notice = (
        f"`writer` pushed to the branch `{build.record().branch}`. Orch keeps those commits: "
        "it builds on them and never force-pushes."
    )
    pull, seen = build.pull(head_sha=OTHER_SHA), in_review(notice=notice, head_sha=OTHER_SHA, own_head=False)
    expected = Decision("somebody pushed to the branch", seen, (UpsertComment(),))
    assert life.pull_followed(in_review(), pull, "orch", "writer") == expected
    assert life.pull_followed(seen, pull, "orch", "writer") is None


def test_a_push_and_a_reopening_are_both_followed() -> None:
    known = build.record(Status.NEEDS_REVIEW, pull=30, head_sha=SHA, pull_closed=True)
    reviewed = after(life.pull_followed(known, build.pull(head_sha=OTHER_SHA), "orch"))
    assert (reviewed.status, reviewed.head_sha, reviewed.pull_closed) == (Status.IN_REVIEW, OTHER_SHA, False)


def test_an_earlier_head_of_orchs_own_is_nobodys_push() -> None:
    record = in_review(runs=(build.summary(head_sha=OTHER_SHA),))
    assert life.pull_followed(record, build.pull(head_sha=OTHER_SHA), "orch") is None


@pytest.mark.parametrize(
    ("record", "pull"),
    [
        (build.record(Status.DONE, pull=30, head_sha=SHA), build.pull(head_sha=OTHER_SHA)),
        (build.record(Status.PAUSED, pull=30, cut_off=CutOff.SUSPENDED), SHUT),
        (build.record(pull=31), SHUT),
        (in_review(), build.pull(30, False, True)),
    ],
    ids=["pushed to when finished", "cut off", "another", "merged"],
)
def test_what_does_not_concern_the_task_is_not_followed(record: TaskRecord, pull: Pull) -> None:
    assert life.pull_followed(record, pull, "orch") is None


@pytest.mark.parametrize("status", [Status.DONE, Status.CANCELLED])
def test_what_becomes_of_a_pull_request_that_outlives_its_task_is_noted_for_a_later_attempt(status: Status) -> None:
    open_, shut = (build.record(status, pull=30, head_sha=SHA, pull_closed=closed) for closed in (False, True))
    assert life.pull_followed(open_, SHUT, "orch") == Decision("the pull request was closed", shut, SAY)
    assert life.pull_followed(shut, build.pull(), "orch") == Decision("the pull request was reopened", open_, SAY)
    assert life.pull_followed(shut, SHUT, "orch") is None


def test_after_a_cancelled_tasks_pull_request_was_merged_an_attempt_begins_a_branch_of_its_own() -> None:
    cancelled = build.record(Status.CANCELLED, pull=30, head_sha=SHA, pull_closed=True, merged_before=(20,))
    after_merge = build.record(Status.CANCELLED, merged_before=(20, 30))
    why = "the pull request of a cancelled task was merged"
    gone = DeleteRef(ref=f"refs/heads/{cancelled.branch}")
    assert life.merged_late(cancelled, 30) == Decision(why, after_merge, (gone, *SAY))
    assert life.merged_late(build.record(Status.DONE, pull=30), 30) is None


@pytest.mark.parametrize("merged", [True, False])
def test_a_reopened_task_leaves_no_merged_branch_in_the_way_of_the_next_one(merged: bool) -> None:
    done = build.record(Status.DONE, pull=30, head_sha=SHA)
    decision = life.reopened(done, build.issue("orch"), build.pull(30, not merged, merged), "orch")
    assert decision is not None
    assert (DeleteRef(ref=f"refs/heads/{done.branch}") in decision.effects) is merged


@pytest.mark.parametrize("issue", [build.issue("orch"), build.issue("ORCH", "bug")])
def test_a_label_is_known_whatever_its_capitals(issue: Issue) -> None:
    assert (life.has_label(issue, "Orch"), life.has_label(issue, "plan")) == (True, False)
