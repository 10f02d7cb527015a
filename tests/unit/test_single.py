import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.absorb import refuse
from app.domain.effects import (
    AddComment,
    Decision,
    DeleteRef,
    MoveBranch,
    OpenPull,
    Send,
)
from app.domain.errors import Permanent
from app.domain.events import SlotFreed, SlotWanted, WorkspaceExpired
from app.domain.facts import CutOff
from app.domain.jobs import run_job
from app.domain.outcomes import Outcome, RunResult
from app.domain.record import TaskRecord, Unfinished
from app.domain.strategies.single import after_run, after_stop, pull_body
from app.domain.strategies.starting import SHOW, drop_unfinished, resume
from app.domain.task import Status, Trigger
from tests.unit import build
from tests.unit.build import JOB, NOW, OTHER_SHA, RUN, SHA, TASK
from tests.unit.draw import examine, texts

FREED = Send(event=SlotFreed(job_id=JOB.id))
AGAIN = "To start it again, say `/retry`, or take the label off and put it on again."
MORE = (
    "To let it spend more, a person who may approve budgets says `/approve budget N`, with N in US dollars; `/resume` "
    "goes on within the limits there are."
)
LAST = build.POLICY.max_attempts


def expires(attempt: int = 1) -> Send:
    return Send(event=WorkspaceExpired(task=TASK, attempt=attempt), delay=build.POLICY.keep_failed)


def decide(result: RunResult, **known: object) -> Decision:
    return after_run(build.finished(result), build.record().change(**known), build.snapshot())


def summed_up(result: RunResult, attempt: int = 1) -> object:
    return build.summary(
        attempt=attempt, outcome=result.outcome, reason=result.reason, head_sha=result.head_sha, usage=result.usage
    )


@pytest.mark.parametrize("previous", [None, OTHER_SHA])
def test_what_was_delivered_becomes_a_pull_request(previous: str | None) -> None:
    result = build.result()
    decision = decide(result, head_sha=previous)
    pushed = Unfinished(run_id=RUN, sha=SHA)
    record = build.record(run_id=None, head_sha=previous, runs=(build.summary(),), unfinished=pushed)
    effects = (
        FREED,
        build.spent(),
        MoveBranch(branch=record.branch, sha=SHA, previous=previous),
        OpenPull(branch=record.branch, title=build.TITLE, body=pull_body(build.finished(result), record)),
        *SHOW,
        DeleteRef(ref=f"refs/orch/runs/{RUN}"),
    )
    assert decision == Decision(f"run {RUN} delivered {SHA[:12]}", record, effects)


@pytest.mark.parametrize("sha", [None, ""])
def test_i8_a_delivery_without_a_commit_is_none(sha: str | None) -> None:
    decision = decide(build.result(head_sha=sha, text=""))
    why = f"The run says that it delivered, but names no commit: It ended. {AGAIN}"
    summary = build.summary(head_sha=sha)
    call = AddComment(task=TASK, key=f"ended-{RUN}", body=why)
    record = build.record(Status.NEEDS_REVIEW, why=why, runs=(summary,))
    assert decision == Decision(why, record, (FREED, build.spent(), *SHOW, call, expires()))


@pytest.mark.parametrize("outcome", [Outcome.AGENT_FAILED, Outcome.STALLED, Outcome.TIMED_OUT])
def test_a_failed_attempt_is_followed_by_another(outcome: Outcome) -> None:
    result = build.result(outcome)
    why = f"Attempt 1 ended as `{outcome.value}`: It ended. Trying again."
    job = run_job(TASK, 2)
    record = build.record(
        Status.ROUTED, why=why, attempt=2, tries=2, job_id=job.id, run_id=None, runs=(summed_up(result),)
    )
    wanted = Send(event=SlotWanted(job=job, since=NOW.timestamp(), agent="script"))
    assert decide(result) == Decision(why, record, (FREED, build.spent(outcome), wanted, build.SOON))


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.STALLED, Outcome.BUDGET_SPENT])
def test_the_next_run_goes_on_from_what_a_limit_cut_off(outcome: Outcome) -> None:
    decision = decide(build.result(outcome, head_sha=SHA), unfinished=Unfinished(run_id="run-0", sha=OTHER_SHA))
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.unfinished == Unfinished(run_id=RUN, sha=SHA)
    assert [effect.ref for effect in decision.effects if isinstance(effect, DeleteRef)] == ["refs/orch/runs/run-0"]


def test_a_run_that_pushed_nothing_leaves_what_an_earlier_one_did() -> None:
    earlier = Unfinished(run_id="run-0", sha=OTHER_SHA)
    decision = decide(build.result(Outcome.TIMED_OUT), unfinished=earlier)
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.unfinished == earlier
    assert not any(isinstance(effect, DeleteRef) for effect in decision.effects)


def test_a_delivery_removes_what_it_went_on_from_and_at_last_its_own_ref() -> None:
    decision = decide(build.result(), unfinished=Unfinished(run_id="run-0", sha=OTHER_SHA))
    refs = [effect.ref for effect in decision.effects if isinstance(effect, DeleteRef)]
    assert refs == ["refs/orch/runs/run-0", f"refs/orch/runs/{RUN}"]


def test_a_delivery_that_github_refuses_is_not_lost() -> None:
    decision = decide(build.result())
    [move] = [effect for effect in decision.effects if isinstance(effect, MoveBranch)]
    assert isinstance(decision.record, TaskRecord)
    parked, instead = refuse(decision.record, move, Permanent("the branch exists"))
    assert parked.unfinished == Unfinished(run_id=RUN, sha=SHA)
    assert not any(isinstance(effect, DeleteRef) for effect in instead)
    assert drop_unfinished(parked) == (DeleteRef(ref=f"refs/orch/runs/{RUN}"),)


@pytest.mark.parametrize(("head", "pull", "count"), [(None, None, 1), (SHA, None, 1), (OTHER_SHA, 30, 1), (SHA, 30, 0)])
def test_a_ref_that_went_with_its_delivery_is_not_removed_again(head: str | None, pull: int | None, count: int) -> None:
    record = build.record(head_sha=head, pull=pull, unfinished=Unfinished(run_id=RUN, sha=SHA))
    assert len(drop_unfinished(record)) == count


def test_a_session_of_a_run_that_was_stopped_is_not_gone_on_with() -> None:
    stopped = build.result(Outcome.TIMED_OUT, session="s1")
    decision = after_stop(build.finished(stopped), build.record(Status.PAUSED, stopping=RUN))
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.runs[-1].session is None


def test_people_are_told_that_a_limit_lost_nothing() -> None:
    decision = decide(build.result(Outcome.BUDGET_SPENT, head_sha=SHA, reason="$5.02 of $5.00 is spent."))
    assert decision.why == f"A limit was reached: $5.02 of $5.00 is spent. What it did so far is kept. {MORE}"


@pytest.mark.parametrize(
    ("outcome", "attempt", "why"),
    [
        (Outcome.AGENT_FAILED, LAST, f"Attempt {LAST}, the last, ended as `agent_failed`: It ended. {AGAIN}"),
        (Outcome.TIMED_OUT, LAST, f"Attempt {LAST}, the last, ended as `timed_out`: It ended. {AGAIN}"),
        (Outcome.STALLED, LAST, f"Attempt {LAST}, the last, ended as `stalled`: It ended. {AGAIN}"),
        (Outcome.BUDGET_SPENT, 1, f"A limit was reached: It ended. {MORE}"),
        (Outcome.NO_CHANGE, 1, f"Nothing was changed: It ended. {AGAIN}"),
        (Outcome.INFRASTRUCTURE_FAILED, 1, f"The run could not be done here: It ended. {AGAIN}"),
        (Outcome.CANCELLED, 1, f"The run was stopped: It ended. {AGAIN}"),
    ],
)
def test_what_a_person_must_settle_parks_the_task_and_calls_one(outcome: Outcome, attempt: int, why: str) -> None:
    result = build.result(outcome)
    call = AddComment(task=TASK, key=f"ended-{RUN}", body=f"{why}\n\n> I did it.")
    record = build.record(
        Status.NEEDS_REVIEW, why=why, attempt=attempt, tries=attempt, run_id=None, runs=(summed_up(result, attempt),)
    )
    assert decide(result, attempt=attempt, tries=attempt) == Decision(
        why, record, (FREED, build.spent(outcome), *SHOW, call, expires(attempt))
    )


@pytest.mark.parametrize("outcome", [Outcome.AGENT_FAILED, Outcome.TIMED_OUT])
def test_i12_attempts_are_bounded(outcome: Outcome) -> None:
    record, runs = build.record(Status.ROUTED), 0
    while record.status is Status.ROUTED:
        running = record.advance(Trigger.START, "It began.", run_id=RUN)
        decision = after_run(build.finished(build.result(outcome)), running, build.snapshot())
        assert isinstance(decision.record, TaskRecord)
        record, runs = decision.record, runs + 1
    assert (record.status, record.attempt, runs) == (Status.NEEDS_REVIEW, LAST, LAST)


def test_i12_a_task_taken_up_again_after_its_last_attempt_gets_one_more() -> None:
    decision = decide(build.result(Outcome.AGENT_FAILED), attempt=LAST + 1, tries=LAST)
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.status, decision.record.attempt) == (Status.NEEDS_REVIEW, LAST + 1)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_ends_the_run_and_frees_its_slot_first(outcome: Outcome) -> None:
    decision = decide(build.result(outcome))
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.run_id, decision.effects[:2]) == (None, (FREED, build.spent(outcome)))


def test_the_body_of_a_pull_request_says_where_it_comes_from() -> None:
    assert pull_body(build.finished(build.result()), build.record(model="large")) == (
        "Made by Orch for #12, at the request of `writer`, with the agent `script` (model large) in run `run-1`.\n\n"
        "<details><summary>What the agent said</summary>\n\n> I did it.\n\n</details>\n\n"
        "Closes #12"
    )


def test_a_silent_agent_is_said_to_be_silent() -> None:
    assert "\n\nIt said nothing.\n\n" in pull_body(build.finished(build.result(text="")), build.record())


@examine
@given(texts)
def test_a_pull_request_closes_its_issue_and_no_other(text: str) -> None:
    body = pull_body(build.finished(build.result(text=text)), build.record())
    closing = re.findall(r"(?i)\b(?:close[sd]?|fix|fixe[sd]|resolve[sd]?):?\s+[\w./-]*#\d+", body)
    assert (closing, body.endswith("\n\nCloses #12")) == (["Closes #12"], True)


def test_the_title_of_a_pull_request_closes_nothing_and_is_not_too_long() -> None:
    decision = decide(build.result(), title="Fixes #9 " + "x" * 300)
    (opened,) = [effect for effect in decision.effects if isinstance(effect, OpenPull)]
    assert (opened.title[:10], len(opened.title)) == ("Fixes\u2060 #\u20609", 256)


@examine
@given(texts, st.sampled_from(Outcome))
def test_what_an_agent_says_never_becomes_a_second_line_of_why(reason: str, outcome: Outcome) -> None:
    decision = decide(build.result(outcome, reason=reason))
    assert isinstance(decision.record, TaskRecord)
    assert len(decision.record.why.splitlines()) == 1
    assert "<!--" not in decision.record.why + decision.record.runs[0].reason


def test_a_stopped_task_goes_on_with_another_attempt_at_the_same_text() -> None:
    paused = build.record(Status.PAUSED, attempt=2, cut_off=CutOff.ARCHIVED)
    job = run_job(TASK, 3)
    routed = build.record(Status.ROUTED, why="On.", attempt=3, job_id=job.id)
    wanted = Send(event=SlotWanted(job=job, since=NOW.timestamp(), agent="script"))
    assert resume(paused, build.snapshot(), "On.") == Decision("On.", routed, (wanted, build.SOON))


@pytest.mark.parametrize(
    ("outcome", "cut_off", "kinds"),
    [
        (Outcome.CANCELLED, None, ["send", "upsert_comment"]),
        (Outcome.DELIVERED, None, ["send", "upsert_comment", "delete_ref"]),
        (Outcome.DELIVERED, CutOff.SUSPENDED, ["send"]),
    ],
)
def test_what_a_stopped_run_cost_is_kept_and_what_it_pushed_is_not(
    outcome: Outcome, cut_off: CutOff | None, kinds: list[str]
) -> None:
    record = build.record(Status.PAUSED, stopping=RUN, cut_off=cut_off)
    decision = after_stop(build.finished(build.result(outcome)), record)
    (known,) = decision.record.runs if isinstance(decision.record, TaskRecord) else ()
    ended = build.summary(
        outcome=Outcome.CANCELLED, head_sha=SHA if outcome is Outcome.DELIVERED else None, reason=known.reason
    )
    assert decision.record == build.record(Status.PAUSED, runs=(ended,), cut_off=cut_off)
    assert [effect.type for effect in decision.effects] == kinds
