"""What no webhook told is found by looking, and told as its webhook would have."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.effects import Decision, Send, UpsertComment
from app.domain.events import FeedbackDue, PullDue, Reviewed
from app.domain.facts import Comment, Issue, Permission, Review, ReviewState
from app.domain.missed import unmet
from app.domain.record import MergeWish, TaskRecord
from app.domain.task import Status
from handlers.comments import commented
from handlers.reviews import reviewed
from tests.unit import build
from tests.unit.build import NOW, ROBOT, SELF, SHA, STRANGER, TASK, WRITER

IN_REVIEW = build.record(Status.IN_REVIEW, pull=30, head_sha=SHA)
OPEN = build.issue("orch")


def look(record: TaskRecord = IN_REVIEW, issue: Issue | None = OPEN, **seen: Any) -> Decision | None:
    return unmet(record, replace(build.snapshot(record, issue), **seen))


def review(number: int = 4, **changes: object) -> Review:
    state = ReviewState.CHANGES_REQUESTED
    made = Review(id=number, author=WRITER, state=state, body="Hm.", commit=SHA, submitted_at=NOW)
    return made.model_copy(update=changes)


def test_where_nothing_was_missed_nothing_is_found() -> None:
    assert look() is None
    assert look(build.record(), comments=(build.comment(60, "Hm."),)) is None


def test_a_command_that_was_missed_is_told_as_its_webhook_would_have() -> None:
    decision = look(comments=(build.comment(50, "/stop\nplease"),))
    told = Send(event=build.commented("/stop\nplease"))
    assert decision == Decision("missed: `writer` wrote `/stop`", effects=(told,))


@pytest.mark.parametrize("issue", [None, build.issue("orch", body="Another text.")])
def test_i7_a_text_that_is_not_the_one_that_is_followed_is_not_told_as_the_comments(issue: Issue | None) -> None:
    decision = look(issue=issue, comments=(build.comment(50, "/retry"),))
    assert decision is not None
    assert decision.effects == (Send(event=build.commented("/retry", title=None, text=None)),)


def test_what_was_said_on_the_pull_request_is_told_from_there() -> None:
    decision = look(pull_comments=(build.comment(50, "@orch shorter"),))
    assert decision is not None
    assert decision.effects == (Send(event=build.on_pull("@orch shorter")),)


def test_i2_what_was_followed_is_not_found_again() -> None:
    for body in ("/stop", "/stpo", "@orch hi"):
        done = commented(build.commented(body), build.snapshot(IN_REVIEW, OPEN, Permission.WRITE)).record
        assert isinstance(done, TaskRecord)
        assert look(done, comments=(build.comment(50, body),)) is None
    forgotten = IN_REVIEW.change(heard_up_to=50)
    assert look(forgotten, comments=(build.comment(50, "/stop"),)) is None


@pytest.mark.parametrize(
    "comment",
    [
        build.comment(60, "/stop", SELF),
        build.comment(60, "/stop", ROBOT),
        build.comment(60, "Do not /stop."),
        build.comment(60, "/stop").model_copy(update={"edited_at": NOW - timedelta(seconds=1)}),
    ],
    ids=["Orch", "a bot", "no command", "before the task"],
)
def test_what_is_not_for_orch_is_not_told(comment: Comment) -> None:
    assert look(comments=(comment,)) is None


def test_a_stranger_is_told_of_too_and_refused_as_ever() -> None:
    decision = look(comments=(build.comment(50, "/stop", STRANGER),))
    assert decision is not None
    assert decision.effects == (Send(event=build.commented("/stop", STRANGER)),)


def test_the_living_comment_is_written_anew_if_it_is_gone() -> None:
    known = IN_REVIEW.change(comment_id=77)
    assert look(known, comments=(build.comment(77, "/stop"),)) is None
    assert look(known) == Decision("missed: the living comment is gone", effects=(UpsertComment(),))


@pytest.mark.parametrize("state", [ReviewState.CHANGES_REQUESTED, ReviewState.COMMENTED])
def test_a_review_that_was_missed_is_told(state: ReviewState) -> None:
    event = Reviewed(task=TASK, pull=30, review_id=4, actor=WRITER, state=state, body="Hm.", at=NOW)
    decision = look(reviews=(review(state=state),))
    assert decision == Decision("missed: `writer` reviewed", effects=(Send(event=event),))
    assert look(build.record(Status.IN_REVIEW), reviews=(review(),)) is None


def test_i2_a_review_that_was_met_is_not_found_again_whoever_made_it() -> None:
    for actor, permission in ((WRITER, Permission.WRITE), (STRANGER, Permission.READ)):
        event = Reviewed(task=TASK, pull=30, review_id=4, actor=actor, state=ReviewState.COMMENTED, body="Hm.", at=NOW)
        met = reviewed(event, build.snapshot(IN_REVIEW, permission=permission)).record
        assert isinstance(met, TaskRecord)
        assert look(met.change(instructions=()), reviews=(review(author=actor),)) is None
    assert look(IN_REVIEW.change(met_up_to=4), reviews=(review(),)) is None


@pytest.mark.parametrize(
    "changes",
    [{"author": SELF}, {"state": ReviewState.APPROVED}, {"submitted_at": NOW - timedelta(seconds=1)}],
)
def test_reviews_that_ask_for_nothing_are_not_told(changes: dict[str, Any]) -> None:
    assert look(reviews=(review(**changes),)) is None


def test_what_waits_on_a_pull_request_is_looked_at() -> None:
    waits = IN_REVIEW.change(merge=MergeWish(by="writer"), instructions=(build.instruction(),))
    decision = look(waits)
    why = "missed: the pull request may be merged, or conflicts; instructions wait"
    assert decision == Decision(why, effects=(Send(event=PullDue(task=TASK)), Send(event=FeedbackDue(task=TASK))))
    conflicts = look(pull=build.pull(conflicts=True, mergeable=False))
    assert conflicts is not None
    assert conflicts.effects == (Send(event=PullDue(task=TASK)),)


@pytest.mark.parametrize("record", [build.record(pull=30), build.record(Status.IN_REVIEW, pull=30)])
def test_nothing_is_looked_at_before_there_is_a_head_in_review(record: TaskRecord) -> None:
    assert look(record.change(instructions=(build.instruction(),)), pull=build.pull(conflicts=True)) is None
