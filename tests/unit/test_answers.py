"""Calls that an agent may not do by itself: asked for, answered in a comment, gone on with."""

from datetime import timedelta

import pytest

from app.domain.approvals import Answer, AskedCall, describe_question
from app.domain.comment import render_comment
from app.domain.effects import AddComment, Send
from app.domain.events import Commented, SlotWanted
from app.domain.jobs import run_job
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.strategies.admitting import Request, admit
from app.domain.strategies.commanded import obey
from app.domain.strategies.listening import Scene, Step
from app.domain.strategies.single import after_run
from app.domain.task import Status, Trigger
from tests.unit import build
from tests.unit.build import NOW, QUESTION, TASK
from tests.unit.commenting import read

ANSWER = Answer(key="k0", text="bash: git fetch", allowed=True)
AGAIN = run_job(TASK, 2)


def waiting(**changes: object) -> TaskRecord:
    return build.record(Status.NEEDS_REVIEW, **{"asked": QUESTION, **changes})


def say(body: str, record: TaskRecord, event: Commented | None = None) -> Step:
    return obey(read(body), record, Scene(event or build.commented(body), build.snapshot(record)))


def after(step: Step) -> TaskRecord:
    assert step.record is not None
    return step.record


@pytest.mark.parametrize(
    ("body", "did", "allowed", "reason"),
    [
        ("/approve", "allowed", True, ""),
        ("/deny not on a Friday", "refused", False, "not on a Friday"),
        ("/deny", "refused", False, ""),
        ("Well.\n/deny @all\nbut\tthanks", "refused", False, "@\u2060all but thanks"),
    ],
)
def test_an_answer_lets_the_task_go_on(body: str, did: str, allowed: bool, reason: str) -> None:
    why = f"`writer` {did} what the agent asked for; the task waits for a runner."
    answer = Answer(key="k1", text="bash: git push", allowed=allowed, reason=reason)
    record = build.record(Status.ROUTED, why=why, attempt=2, job_id=AGAIN.id, answers=(answer,))
    wanted = Send(event=SlotWanted(job=AGAIN, since=NOW.timestamp(), agent="script"))
    assert say(body, waiting()) == Step(record, (wanted, build.SOON))


@pytest.mark.parametrize("body", ["/approve", "/deny it"])
def test_people_are_told_that_nothing_waits(body: str) -> None:
    known = build.record(Status.IN_REVIEW)
    word = body.split(maxsplit=1)[0]
    reply = f"`{word}` did nothing: nothing waits for it here: the task is `in_review`."
    assert say(body, known) == Step(known, reply=reply, done=False)


def test_what_was_written_before_the_question_is_no_answer_to_it() -> None:
    asked = waiting(asked=QUESTION.model_copy(update={"at": NOW + timedelta(seconds=1)}))
    assert not say("/approve", asked).done


def test_githubs_clock_counts_whole_seconds() -> None:
    asked = waiting(asked=QUESTION.model_copy(update={"at": NOW + timedelta(milliseconds=900)}))
    assert after(say("/approve", asked)).status is Status.ROUTED


def test_a_run_that_needs_leave_parks_the_task_with_its_question() -> None:
    call = AskedCall(key="k1", text="bash: git push")
    decision = after_run(
        build.finished(build.result(Outcome.APPROVAL_NEEDED, asked=call)), build.record(), build.snapshot()
    )
    why = "The agent wants to do what only a person may allow: It ended."
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.status, decision.record.why, decision.record.asked) == (Status.NEEDS_REVIEW, why, QUESTION)
    told = AddComment(task=TASK, key=f"ended-{build.RUN}", body=f"{why}\n\n{describe_question(call)}\n\n> I did it.")
    assert told in decision.effects
    assert describe_question(call) in render_comment(decision.record, build.KEYRING)


def test_a_run_that_needs_leave_and_names_no_call_is_started_again_by_hand() -> None:
    decision = after_run(build.finished(build.result(Outcome.APPROVAL_NEEDED)), build.record(), build.snapshot())
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.asked is None
    assert decision.why.endswith("say `/retry`, or take the label off and put it on again.")


@pytest.mark.parametrize("trigger", [Trigger.ROUTE, Trigger.PARK, Trigger.REVIEW, Trigger.CANCEL])
def test_a_question_goes_with_its_status(trigger: Trigger) -> None:
    assert waiting().advance(trigger, "So.").asked is None


@pytest.mark.parametrize(("body", "kept"), [(build.BODY, (ANSWER,)), ("Another text.", ())])
def test_answers_hold_for_one_text(body: str, kept: tuple[Answer, ...]) -> None:
    request = Request(task=TASK, actor=build.WRITER, title=build.TITLE, body=body, how="by hand", label="orch")
    decision = admit(request, build.snapshot(waiting(answers=(ANSWER,))))
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.asked, decision.record.answers) == (None, kept)


def test_answers_hold_until_the_delivery() -> None:
    decision = after_run(build.finished(build.result()), build.record(answers=(ANSWER,)), build.snapshot())
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.answers == ()
