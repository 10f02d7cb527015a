from datetime import datetime, timedelta

import pytest

from app.domain.approvals import Answer, AskedCall, Question, describe_question
from app.domain.comment import render_comment
from app.domain.effects import AddComment, Decision, Send, nothing
from app.domain.events import CommentCreated, SlotWanted
from app.domain.facts import Actor, Permission
from app.domain.jobs import run_job
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.strategies.single import SHOW, admit, after_run
from app.domain.task import Status, Trigger
from handlers.comments import HANDLERS, comment_created, not_ours
from tests.unit import build
from tests.unit.build import NOW, ROBOT, SELF, STRANGER, TASK, WRITER

ASKED = Question(key="k1", text="bash: git push", at=NOW)
ANSWER = Answer(key="k0", text="bash: git fetch", allowed=True)
OUTSIDERS = [None, Permission.NONE, Permission.READ]
AGAIN = run_job(TASK, 2)


def written(body: str = "/approve", actor: Actor = WRITER, number: int = 50, at: datetime = NOW) -> CommentCreated:
    return CommentCreated(task=TASK, actor=actor, comment_id=number, body=body, written_at=at)


def waiting(**changes: object) -> TaskRecord:
    return build.record(Status.NEEDS_REVIEW, **{"asked": ASKED, **changes})


def decide(
    event: CommentCreated, record: TaskRecord | None, permission: Permission | None = Permission.WRITE
) -> Decision:
    return comment_created(event, build.snapshot(record, permission=permission))


@pytest.mark.parametrize(
    ("body", "did", "allowed", "reason"),
    [
        ("/approve", "allowed", True, ""),
        ("/deny not on a Friday", "refused", False, "not on a Friday"),
        ("/deny", "refused", False, ""),
        ("Well.\n/deny @all\n/approve", "refused", False, "@\u2060all"),
    ],
)
def test_an_answer_lets_the_task_go_on(body: str, did: str, allowed: bool, reason: str) -> None:
    why = f"`writer` {did} what the agent asked for; the task waits for a runner."
    answer = Answer(key="k1", text="bash: git push", allowed=allowed, reason=reason)
    record = build.record(Status.ROUTED, why=why, attempt=2, job_id=AGAIN.id, answers=(answer,), answered=50)
    wanted = Send(event=SlotWanted(job=AGAIN, since=NOW.timestamp()))
    assert decide(written(body), waiting()) == Decision(why, record, (wanted, *SHOW))


def test_i2_a_comment_that_was_followed_changes_nothing_any_more() -> None:
    [handler] = HANDLERS
    answered = decide(written(), waiting()).record
    assert isinstance(answered, TaskRecord)
    asked_again = waiting(answered=answered.answered)
    for record in (answered, asked_again):
        assert handler.settled(written(), record)
        assert decide(written(), record, None) == nothing("the comment was followed already")


@pytest.mark.parametrize("permission", OUTSIDERS)
def test_i7_only_people_with_write_access_answer(permission: Permission | None) -> None:
    decision = decide(written(actor=STRANGER), waiting(), permission)
    why = "only people with write access to this repository answer what an agent asks for"
    reply = AddComment(task=TASK, key="refused-answer-1", body=f"`stranger`, {why}. Nothing was changed.")
    assert decision == Decision(why, effects=(reply,))


@pytest.mark.parametrize("record", [build.record(), waiting(asked=None)])
def test_i7_where_nothing_is_asked_strangers_get_no_word(record: TaskRecord) -> None:
    decision = decide(written(actor=STRANGER), record, Permission.READ)
    assert (decision.record, decision.effects) == (None, ())


@pytest.mark.parametrize("body", ["/approve", "/deny it"])
def test_people_are_told_once_that_nothing_waits(body: str) -> None:
    decision = decide(written(body), build.record(Status.IN_REVIEW))
    [reply] = decision.effects
    assert isinstance(reply, AddComment)
    assert decision.record is None
    assert (reply.key, "the task is `in_review`" in reply.body) == ("nothing-asked-1", True)


def test_what_was_written_before_the_question_is_no_answer_to_it() -> None:
    asked = waiting(asked=ASKED.model_copy(update={"at": NOW + timedelta(seconds=1)}))
    decision = decide(written(), asked)
    assert (decision.record, len(decision.effects)) == (None, 1)


def test_githubs_clock_counts_whole_seconds() -> None:
    asked = waiting(asked=ASKED.model_copy(update={"at": NOW + timedelta(milliseconds=900)}))
    decision = decide(written(), asked)
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.status is Status.ROUTED


def test_an_issue_that_is_no_task_takes_no_commands() -> None:
    assert decide(written(), None) == nothing("the issue is no task")


def test_a_run_that_needs_leave_parks_the_task_with_its_question() -> None:
    call = AskedCall(key="k1", text="bash: git push")
    decision = after_run(
        build.finished(build.result(Outcome.APPROVAL_NEEDED, asked=call)), build.record(), build.snapshot()
    )
    why = "The agent wants to do what only a person may allow: It ended."
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.status, decision.record.why, decision.record.asked) == (Status.NEEDS_REVIEW, why, ASKED)
    assert decision.effects[-1] == AddComment(
        task=TASK, key=f"ended-{build.RUN}", body=f"{why}\n\n{describe_question(call)}\n\n> I did it."
    )
    assert describe_question(call) in render_comment(decision.record, build.KEYRING)


def test_a_run_that_needs_leave_and_names_no_call_is_started_again_by_hand() -> None:
    decision = after_run(build.finished(build.result(Outcome.APPROVAL_NEEDED)), build.record(), build.snapshot())
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.asked is None
    assert decision.why.endswith("take the label off and put it on again.")


@pytest.mark.parametrize("trigger", [Trigger.ROUTE, Trigger.PARK, Trigger.REVIEW, Trigger.CANCEL])
def test_a_question_goes_with_its_status(trigger: Trigger) -> None:
    assert waiting().advance(trigger, "So.").asked is None


@pytest.mark.parametrize(("body", "kept"), [(build.BODY, (ANSWER,)), ("Another text.", ())])
def test_answers_hold_for_one_text(body: str, kept: tuple[Answer, ...]) -> None:
    decision = admit(build.labeled(body=body), build.snapshot(waiting(answers=(ANSWER,))))
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.asked, decision.record.answers) == (None, kept)


def test_answers_hold_until_the_delivery() -> None:
    decision = after_run(build.finished(build.result()), build.record(answers=(ANSWER,)), build.snapshot())
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.answers == ()


@pytest.mark.parametrize("actor", [ROBOT, SELF, SELF.model_copy(update={"is_bot": False})])
def test_i7_bots_instruct_nobody_and_get_no_answer(actor: Actor) -> None:
    assert not_ours(written(actor=actor), build.snapshot()) == "bots instruct nobody"


def test_comments_without_a_command_are_skipped() -> None:
    assert not_ours(written("I approve."), build.snapshot()) == "the comment holds no command"
    assert not_ours(written(), build.snapshot()) is None
