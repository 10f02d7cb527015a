"""What people say to Orch by its name, and what they say besides: a task, a round, or a word to the agent at work."""

import pytest

from app.domain.effects import AddLabel, KeepText, Send, Tell, UpsertComment
from app.domain.events import Commented, Refresh, SlotWanted
from app.domain.facts import Issue, Permission
from app.domain.instructions import MOST_WAITING, Instruction, Kind
from app.domain.jobs import Purpose
from app.domain.names import digest_of
from app.domain.record import TaskRecord
from app.domain.strategies.listening import Scene, Step, hear_mention, instruct, take_in
from app.domain.strategies.starting import SHOW
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import NOW, RUN, SHA, TASK

TEXT = "Why is it so?"
DIGEST = digest_of("", TEXT)
SAID = Instruction(key=f"comment-50-{DIGEST[:8]}", kind=Kind.MENTION, author="writer", where=12, digest=DIGEST, at=NOW)
KEPT = KeepText(digest=DIGEST, title="", body=TEXT)
REVIEWED = build.record(Status.IN_REVIEW, pull=30, head_sha=SHA)


OPEN = build.issue("orch")


def mention(record: TaskRecord | None, event: Commented | None = None, issue: Issue | None = OPEN) -> Step:
    snapshot = build.snapshot(record, issue, Permission.WRITE)
    return hear_mention(TEXT, record, Scene(event or build.commented(f"@orch {TEXT}"), snapshot))


def after(step: Step) -> TaskRecord:
    assert step.record is not None
    return step.record


def test_a_mention_on_an_issue_makes_a_task_for_which_an_answer_is_enough() -> None:
    step = mention(None, issue=build.issue())
    made = after(step)
    assert (made.status, made.question, made.instructions) == (Status.ROUTED, True, (SAID,))
    assert step.effects[1:3] == (KEPT, AddLabel(task=TASK, label="orch"))


@pytest.mark.parametrize("status", [Status.DONE, Status.CANCELLED])
def test_a_mention_takes_an_answered_or_cancelled_task_up_again(status: Status) -> None:
    again = after(mention(build.record(status, attempt=3)))
    assert (again.status, again.attempt, again.instructions) == (Status.ROUTED, 4, (SAID,))


@pytest.mark.parametrize(
    ("record", "issue", "reply"),
    [
        (
            build.record(Status.DONE, pull=30),
            build.issue(is_open=False),
            "The task is done with pull request #30. Reopen the issue to have more done.",
        ),
        (None, build.issue(is_open=False), "The issue is closed; reopen it, or ask on another one."),
        (build.record(Status.CANCELLED), None, "The issue is closed; reopen it, or ask on another one."),
    ],
)
def test_people_are_told_why_a_mention_makes_no_task(
    record: TaskRecord | None, issue: Issue | None, reply: str
) -> None:
    assert mention(record, issue=issue) == Step(record, reply=reply, done=False)


def test_i7_a_mention_on_a_pull_request_has_no_text_that_a_task_could_follow() -> None:
    step = mention(build.record(Status.CANCELLED), build.on_pull(f"@orch {TEXT}"))
    assert (step.reply, step.done) == ("Ask (again) on the issue itself, whose text of that moment is followed.", False)


def test_a_mention_in_review_is_another_round() -> None:
    step = mention(REVIEWED)
    changed = after(step)
    assert (changed.status, changed.purpose, changed.rounds) == (Status.ROUTED, Purpose.REWORK, 1)
    assert (changed.why, changed.instructions) == ("`writer` asked for another round.", (SAID,))
    assert step.effects[0] == KEPT


def test_an_agent_at_work_is_told_at_once() -> None:
    step = mention(build.record())
    told = build.record(instructions=(SAID,))
    assert step == Step(told, (KEPT, Tell(run_id=RUN, instructions=(SAID,)), UpsertComment()))


@pytest.mark.parametrize(
    "record",
    [build.record(Status.ROUTED), build.record(Status.PAUSED), build.record(Status.NEEDS_REVIEW, asked=build.QUESTION)],
    ids=["waits for a runner", "paused", "waits for an answer"],
)
def test_otherwise_it_waits_for_the_next_run(record: TaskRecord) -> None:
    assert mention(record) == Step(record.change(instructions=(SAID,)), (KEPT, UpsertComment()))


def test_a_mention_lets_a_parked_task_go_on() -> None:
    step = mention(build.record(Status.NEEDS_REVIEW, rounds=5))
    assert (after(step).status, after(step).rounds, after(step).instructions) == (Status.ROUTED, 0, (SAID,))
    assert [type(one.event) for one in step.effects if isinstance(one, Send)] == [SlotWanted, Refresh]


def test_another_comment_does_not() -> None:
    said = instruct(build.commented("Hm."), "Hm.", Kind.COMMENT)
    step = take_in(build.record(Status.NEEDS_REVIEW), build.snapshot(), said, "")
    assert after(step).status is Status.NEEDS_REVIEW


def test_a_review_is_not_told_in_the_middle_of_a_run() -> None:
    said = build.instruction("review-4", kind=Kind.REVIEW)
    step = take_in(build.record(), build.snapshot(), (said, "Hm."), "")
    assert step == Step(
        build.record(instructions=(said,)), (KeepText(digest=said.digest, title="", body="Hm."), UpsertComment())
    )


def test_i12_what_waits_is_bounded_and_people_are_told() -> None:
    waiting = tuple(build.instruction(f"comment-{number}-1") for number in range(MOST_WAITING))
    full = REVIEWED.change(instructions=waiting)
    reply = "Orch keeps 20 instructions for the agent, and that many wait already; this one is not kept."
    assert mention(full) == Step(full, reply=reply, done=False)


def test_what_follows_a_review_when_rounds_are_over_is_kept() -> None:
    step = mention(REVIEWED.change(rounds=5))
    assert (after(step).status, after(step).instructions) == (Status.NEEDS_REVIEW, (SAID,))
    assert step.effects[:3] == (KEPT, *SHOW)


def test_instructions_name_where_they_were_said_and_are_told_apart_by_their_text() -> None:
    on_issue, text = instruct(build.commented(number=51), "Hm.", Kind.COMMENT)
    assert (on_issue, text) == (build.instruction(f"comment-51-{digest_of('', 'Hm.')[:8]}"), "Hm.")
    assert instruct(build.on_pull(), "Hm.", Kind.COMMENT)[0].where == 30
    assert instruct(build.commented(number=51), "Oh.", Kind.COMMENT)[0].key != on_issue.key
