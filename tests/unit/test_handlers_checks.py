"""Checks on the head of a task's branch: one round for each head that Orch made, and none for anybody else's."""

import pytest

from app.domain.effects import Decision, Send, nothing
from app.domain.events import ChecksEnded, PullDue, SlotWanted, TaskChecksEnded
from app.domain.facts import Check, CheckState, CutOff
from app.domain.jobs import Purpose, run_job
from app.domain.policy import Policy
from app.domain.record import MergeWish, TaskRecord
from app.domain.task import Status
from handlers.checks import HANDLERS, checks_ended, task_checks_ended
from tests.unit import build
from tests.unit.build import NOW, OTHER_SHA, SHA, TASK

ENDED = TaskChecksEnded(task=TASK, sha=SHA)
IN_REVIEW = build.record(Status.IN_REVIEW, pull=30, head_sha=SHA)
FAILED, PASSED, WAITING = (build.check(state) for state in (CheckState.FAILED, CheckState.PASSED, CheckState.WAITING))


def decide(record: TaskRecord | None, *checks: Check) -> Decision:
    return task_checks_ended(ENDED, build.snapshot(record, checks=checks))


def after(decision: Decision) -> TaskRecord:
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def ended(*branches: str, policy: Policy = build.POLICY) -> Decision:
    event = ChecksEnded(repository=TASK.repository, branches=branches, sha=SHA)
    return checks_ended(event, build.snapshot(policy=policy))


def test_each_task_whose_branch_it_is_looks_a_little_later() -> None:
    decision = ended("orch/12-x", "main", "orch/9", "orch/12-y")
    tasks = [build.task(9), TASK]
    told = tuple(Send(event=TaskChecksEnded(task=task, sha=SHA), delay=2) for task in tasks)
    assert decision == Decision(f"checks ended on {SHA[:12]}", effects=told)
    [send] = ended("orch/9", policy=Policy(settle=0)).effects
    assert isinstance(send, Send)
    assert send.delay > 0


@pytest.mark.parametrize("branches", [(), ("main", "orch/x")])
def test_branches_of_others_mean_nothing(branches: tuple[str, ...]) -> None:
    assert ended(*branches) == nothing("the branch is not Orch's")


def test_failed_checks_are_another_round() -> None:
    checks = [build.check(name=name) for name in ("tests", "lint\n`x`", "build", "docs")]
    why = "These checks fail on pull request #30: `tests`, `lint x`, `build` and 1 more. The agent works on it again."
    job = run_job(TASK, 2, "rework")
    changes = {"attempt": 2, "job_id": job.id, "purpose": Purpose.REWORK, "rounds": 1, "checked": SHA}
    routed = build.record(Status.ROUTED, why=why, pull=30, head_sha=SHA, **changes)
    wanted = Send(event=SlotWanted(job=job, since=NOW.timestamp(), agent="script"))
    assert decide(IN_REVIEW, PASSED, *checks) == Decision(why, routed, (wanted, build.SOON))


def test_i12_the_agent_is_set_on_the_checks_of_one_head_once() -> None:
    assert decide(IN_REVIEW.change(checked=SHA), FAILED) == nothing("the agent was set on these checks before")
    assert after(decide(IN_REVIEW.change(checked=OTHER_SHA), FAILED)).checked == SHA


def test_a_flaky_check_that_passed_meanwhile_is_no_failure() -> None:
    assert decide(IN_REVIEW, PASSED) == Decision("all checks have passed")
    assert decide(IN_REVIEW) == Decision("all checks have passed")


def test_what_fails_on_a_persons_head_is_theirs() -> None:
    why = "checks fail on what a person pushed, which is theirs to mend"
    assert decide(IN_REVIEW.change(own_head=False), FAILED) == nothing(why)


def test_as_long_as_checks_are_under_way_nothing_begins() -> None:
    why = "other checks have not ended"
    assert decide(IN_REVIEW, FAILED, WAITING) == nothing(why)
    assert task_checks_ended(ENDED, build.snapshot(IN_REVIEW)) == nothing(why)


def test_a_wished_merge_is_looked_at_when_all_have_passed() -> None:
    wished = IN_REVIEW.change(merge=MergeWish(by="writer"))
    assert decide(wished, PASSED) == Decision("all checks have passed", effects=(Send(event=PullDue(task=TASK)),))


@pytest.mark.parametrize(
    "record",
    [
        None,
        build.record(head_sha=SHA),
        IN_REVIEW.change(head_sha=OTHER_SHA),
        IN_REVIEW.change(cut_off=CutOff.ARCHIVED),
    ],
    ids=["no task", "at work", "an older head", "cut off"],
)
def test_i2_checks_of_what_is_no_head_in_review_mean_nothing(record: TaskRecord | None) -> None:
    assert decide(record, FAILED) == nothing("the commit is not the head of a branch in review")
    _, handler = HANDLERS
    assert record is None or handler.settled(ENDED, record)
    assert not handler.settled(ENDED, IN_REVIEW)
