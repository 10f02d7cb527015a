"""How runs end that answer, review, are stopped, or spend what a person allowed."""

from decimal import Decimal

import pytest

from app.domain.effects import (
    AddComment,
    AnswerThreads,
    Decision,
    DeleteRef,
    RemoveLabel,
    Send,
    SubmitReview,
    ThreadAnswer,
    UpsertComment,
)
from app.domain.events import FeedbackDue, PullDue, SlotFreed, SlotWanted, WorkspaceExpired
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome, RunResult, ThreadReply, Usage
from app.domain.record import MergeWish, TaskRecord, Unfinished
from app.domain.strategies.admitting import Request, admit
from app.domain.strategies.single import after_run, after_stop
from app.domain.strategies.starting import SHOW
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import JOB, OTHER_SHA, RUN, SHA, TASK

FREED = Send(event=SlotFreed(job_id=JOB.id))
AGAIN = "To start it again, say `/retry`, or take the label off and put it on again."


def expires(attempt: int = 1) -> Send:
    return Send(event=WorkspaceExpired(task=TASK, attempt=attempt), delay=build.POLICY.keep_failed)


def decide(result: RunResult, **known: object) -> Decision:
    return after_run(build.finished(result), build.record().change(**known), build.snapshot())


SAID = (build.instruction("c-1", author="asker", where=30), build.instruction("c-2"))


def after(decision: Decision) -> TaskRecord:
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def test_a_delivery_answers_in_threads_and_looks_at_what_came_meanwhile() -> None:
    replies = (ThreadReply(thread="T1", text="Done, @all.", resolved=True),)
    result = build.result(replies=replies, delivered=("c-1",))
    decision = decide(result, pull=30, instructions=SAID, merge=MergeWish(by="writer"))
    told = (SAID[0].model_copy(update={"run_id": RUN}), SAID[1])
    assert after(decision).instructions == told
    answer = ThreadAnswer(thread="T1", body="Done, @\u2060all.", resolve=True)
    assert AnswerThreads(pull=30, key=f"answers-{RUN}", answers=(answer,), commit=SHA) in decision.effects
    assert decision.effects[-2:] == (Send(event=FeedbackDue(task=TASK)), Send(event=PullDue(task=TASK)))


def test_without_a_pull_request_there_are_no_threads_to_answer_in() -> None:
    replies = (ThreadReply(thread="T1", text="Done.", resolved=True),)
    assert not any(isinstance(one, AnswerThreads) for one in decide(build.result(replies=replies)).effects)


def test_a_question_that_was_answered_is_done() -> None:
    decision = decide(build.result(Outcome.ANSWERED, text="So it is."), question=True)
    why = "The agent answered what `writer` asked. To have it work on the issue, say so, or say `/retry`."
    body = "`writer`, the agent `script` (no model) answers; nothing was changed.\n\n> So it is."
    reply = AddComment(task=TASK, key=f"answered-{RUN}", body=body)
    summary = build.summary(outcome=Outcome.ANSWERED, head_sha=None)
    done = build.record(Status.DONE, why=why, question=True, runs=(summary,), left_open=True)
    off = RemoveLabel(task=TASK, label="orch")
    assert decision == Decision("the agent answered", done, (FREED, build.spent(Outcome.ANSWERED), reply, *SHOW, off))
    assert decide(build.result(Outcome.ANSWERED), question=True, label="").effects[-1] == SHOW[-1]


@pytest.mark.parametrize(("rounds", "status"), [(0, Status.ROUTED), (build.POLICY.max_rounds, Status.DONE)])
def test_i12_what_was_said_while_a_question_was_answered_is_another_round(rounds: int, status: Status) -> None:
    result = build.result(Outcome.ANSWERED, delivered=("c-1",))
    decision = decide(result, question=True, instructions=SAID, rounds=rounds)
    again = status is Status.ROUTED
    wanted = [one for one in decision.effects if isinstance(one, Send) and isinstance(one.event, SlotWanted)]
    assert (after(decision).status, after(decision).rounds, len(wanted)) == (status, rounds + again, again)
    assert any(isinstance(one, AddComment) for one in decision.effects)


def test_an_answer_is_given_where_the_question_was_and_the_review_goes_on() -> None:
    result = build.result(Outcome.ANSWERED, delivered=("c-1",))
    decision = decide(result, pull=30, instructions=SAID)
    why = "The agent answered. Pull request #30 waits for review."
    assert (after(decision).status, after(decision).why) == (Status.IN_REVIEW, why)
    [reply] = [one for one in decision.effects if isinstance(one, AddComment)]
    assert (reply.task.number, reply.body[:9]) == (30, "`asker`, ")
    assert decision.effects[-1] == Send(event=FeedbackDue(task=TASK))


@pytest.mark.parametrize("known", [{}, {"pull": 30, "pull_closed": True}])
def test_an_answer_to_what_was_no_question_is_for_a_person_to_judge(known: dict[str, object]) -> None:
    decision = decide(build.result(Outcome.ANSWERED), **known)
    assert after(decision).status is Status.NEEDS_REVIEW
    assert decision.why == f"The agent answered and changed nothing: It ended. {AGAIN}"


def test_a_review_is_submitted_and_people_review_on() -> None:
    decision = decide(build.result(Outcome.REVIEWED, text="Good, @all."), pull=30)
    body = f"A review by the agent `script` (no model), in run `{RUN}`.\n\nGood, @\u2060all."
    review = SubmitReview(pull=30, key=f"review-{RUN}", body=body)
    why = "The agent reviewed pull request #30, which waits for people to review it."
    assert (after(decision).status, after(decision).why) == (Status.IN_REVIEW, why)
    assert decision.effects == (FREED, build.spent(Outcome.REVIEWED), review, *SHOW)


@pytest.mark.parametrize("known", [{}, {"pull": 30, "pull_closed": True}])
def test_a_review_of_nothing_is_for_a_person_to_judge(known: dict[str, object]) -> None:
    assert after(decide(build.result(Outcome.REVIEWED), **known)).status is Status.NEEDS_REVIEW


@pytest.mark.parametrize(
    ("outcome", "session", "told"),
    [
        (Outcome.NO_CHANGE, "s1", False),
        (Outcome.AGENT_FAILED, "s1", False),
        (Outcome.TIMED_OUT, None, False),
        (Outcome.TIMED_OUT, "s1", True),
        (Outcome.DELIVERED, None, True),
        (Outcome.ANSWERED, None, True),
    ],
)
def test_what_came_to_nothing_is_told_again(outcome: Outcome, session: str | None, told: bool) -> None:
    result = build.result(outcome, session=session, delivered=("c-1",))
    known = (build.instruction("c-1", run_id=RUN),)
    assert after(decide(result, instructions=known)).instructions == (
        build.instruction("c-1", run_id=RUN if told else None),
    )


@pytest.mark.parametrize(
    ("allowed", "cost", "left"),
    [
        (None, "1", None),
        ("5", "1.5", "3.5"),
        ("5", "0", "5"),
        ("5", "5", None),
        ("5", "6", None),
        ("5", None, None),
    ],
)
def test_i10_what_a_person_allowed_is_used_up_by_runs_and_by_one_of_unknown_cost(
    allowed: str | None, cost: str | None, left: str | None
) -> None:
    result = build.result(Outcome.NO_CHANGE, usage=Usage(cost=Decimal(cost) if cost else None))
    allowance, expected = (Decimal(one) if one else None for one in (allowed, left))
    stopped = build.record(Status.PAUSED, stopping=RUN, allowance=allowance)
    assert after(decide(result, allowance=allowance)).allowance == expected
    assert after(after_stop(build.finished(result), stopped)).allowance == expected


def test_i12_a_run_that_fails_again_and_again_is_stopped_by_the_loop_breaker_too() -> None:
    runs = tuple(build.summary(f"run-{number}") for number in range(20, 29))
    parked = after(decide(build.result(Outcome.AGENT_FAILED), runs=runs))
    assert (parked.status, "goes round in circles" in parked.why) == (Status.NEEDS_REVIEW, True)


def test_the_next_attempt_is_at_the_same() -> None:
    again = after(decide(build.result(Outcome.STALLED), purpose=Purpose.REBASE, rounds=3))
    assert (again.purpose, again.rounds, again.tries) == (Purpose.REBASE, 3, 2)


def test_a_person_who_is_asked_is_asked_before_the_merge() -> None:
    assert after(decide(build.result(Outcome.NO_CHANGE), merge=MergeWish(by="writer"))).merge is None


def test_the_workspace_is_kept_for_a_while_and_never_for_no_time() -> None:
    policy = build.POLICY.model_copy(update={"keep_failed": 0})
    ended = build.finished(build.result(Outcome.NO_CHANGE))
    last = after_run(ended, build.record(), build.snapshot(policy=policy)).effects[-1]
    assert last == expires().model_copy(update={"delay": 1})


KEEPS = build.record(Status.PAUSED, stopping=RUN, stop_keeps=True, unfinished=Unfinished(run_id="run-0", sha=OTHER_SHA))


def test_what_a_stopped_run_did_is_gone_on_from_in_its_session() -> None:
    result = build.result(Outcome.CANCELLED, head_sha=SHA, session="s1")
    decision = after_stop(build.finished(result), KEEPS)
    kept = after(decision)
    assert (kept.unfinished, kept.runs[-1].session) == (Unfinished(run_id=RUN, sha=SHA), "s1")
    assert (kept.stopping, kept.stop_keeps) == (None, False)
    assert kept.notice == "What the agent did so far is kept; `/resume` goes on from there."
    assert decision.effects == (build.spent(Outcome.CANCELLED), UpsertComment(), DeleteRef(ref="refs/orch/runs/run-0"))


@pytest.mark.parametrize(
    ("outcome", "session"), [(Outcome.DELIVERED, "s1"), (Outcome.ANSWERED, None), (Outcome.REVIEWED, None)]
)
def test_i8_a_run_that_was_done_as_it_was_told_to_stop_has_delivered_nothing(
    outcome: Outcome, session: str | None
) -> None:
    result = build.result(outcome, session="s1", delivered=("c-1",))
    ended = after(after_stop(build.finished(result), KEEPS.change(instructions=SAID)))
    told = None if session is None else RUN
    assert (ended.runs[-1].outcome, ended.runs[-1].session) == (Outcome.CANCELLED, session)
    assert ended.runs[-1].reason == f"it was told to stop just as it ended as {outcome.value}"
    assert [one.run_id for one in ended.instructions] == [told, None]


def test_a_stopped_run_that_did_nothing_leaves_what_was_there() -> None:
    decision = after_stop(build.finished(build.result(Outcome.CANCELLED, session="s1")), KEEPS)
    assert (after(decision).unfinished, after(decision).notice) == (KEEPS.unfinished, "")
    assert decision.effects == (build.spent(Outcome.CANCELLED), UpsertComment())


@pytest.mark.parametrize("status", [Status.ROUTED, Status.CANCELLED])
def test_nothing_is_kept_for_a_task_that_has_moved_on(status: Status) -> None:
    moved = build.record(status, stopping=RUN, stop_keeps=True)
    decision = after_stop(build.finished(build.result(Outcome.CANCELLED, head_sha=SHA, session="s1")), moved)
    assert (after(decision).unfinished, after(decision).runs[-1].session) == (None, None)
    assert decision.effects[-1] == DeleteRef(ref=f"refs/orch/runs/{RUN}")


@pytest.mark.parametrize(("head", "own"), [(None, True), (SHA, True), (OTHER_SHA, False)])
def test_i8_a_head_is_orchs_own_only_if_it_is_known_as_that(head: str | None, own: bool) -> None:
    known = build.record(Status.NEEDS_REVIEW, head_sha=SHA)
    request = Request(task=TASK, actor=build.WRITER, title=build.TITLE, body=build.BODY, how="by hand", label="orch")
    assert after(admit(request, build.snapshot(known, head=head))).own_head is own


@pytest.mark.parametrize(("body", "remarked"), [("Do it.", 0), ("Do it.<!-- And more. -->", 1)])
def test_people_are_told_that_an_issue_holds_what_they_do_not_see(body: str, remarked: int) -> None:
    request = Request(task=TASK, actor=build.WRITER, title=build.TITLE, body=body, how="by hand", label="orch")
    remarks = after(admit(request, build.snapshot())).remarks
    assert (
        len([one for one in remarks if one.startswith("The issue holds text that its readers do not see")]) == remarked
    )
