"""Reviews: what people with write access ask for is another round, and each review is met once."""

from typing import Any

import pytest

from app.domain.effects import AddComment, Decision, KeepText, Send, nothing
from app.domain.events import FeedbackDue, PullDue, Reviewed, ReviewSubmitted, SlotWanted
from app.domain.facts import Actor, Permission, ReviewState
from app.domain.instructions import MOST_WAITING, Kind
from app.domain.jobs import Purpose, run_job
from app.domain.names import digest_of
from app.domain.record import MOST_HEARD, MergeWish, TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.task import Status
from handlers.reviews import HANDLERS, by_orch, feedback_due, open_threads, review_submitted, reviewed
from tests.unit import build
from tests.unit.build import NOW, ROBOT, SELF, SHA, STRANGER, TASK, WRITER

SUBMITTED, REVIEWED, FEEDBACK = HANDLERS
IN_REVIEW = build.record(Status.IN_REVIEW, pull=30, head_sha=SHA)
NO_WRITE = "only people with write access to this repository start or steer work"
TOLD = build.instruction("review-4", kind=Kind.REVIEW, where=30)
DUE = FeedbackDue(task=TASK)


def submitted(branch: str = IN_REVIEW.branch, head_repository_id: int | None = 1, **changes: object) -> ReviewSubmitted:
    made = ReviewSubmitted(
        repository=TASK.repository,
        number=30,
        head_branch=branch,
        head_repository_id=head_repository_id,
        actor=WRITER,
        review_id=4,
        state=ReviewState.COMMENTED,
        body="Hm.",
        at=NOW,
    )
    return made.model_copy(update=changes)


def review(state: ReviewState = ReviewState.CHANGES_REQUESTED, body: str = "Hm.", **changes: object) -> Reviewed:
    made = Reviewed(task=TASK, pull=30, review_id=4, actor=WRITER, state=state, body=body, at=NOW)
    return made.model_copy(update=changes)


def seen(record: TaskRecord | None = IN_REVIEW, permission: Permission = Permission.WRITE, **more: Any) -> Snapshot:
    return build.snapshot(record, permission=permission, **more)


def after(decision: Decision) -> TaskRecord:
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def test_a_review_is_told_to_the_task_behind_the_pull_request() -> None:
    told = review(ReviewState.COMMENTED)
    assert review_submitted(submitted(), build.snapshot()) == Decision(
        "pull request #30 was reviewed", effects=(Send(event=told),)
    )


@pytest.mark.parametrize("event", [submitted("feature"), submitted(head_repository_id=2)])
def test_i7_a_review_of_another_pull_request_means_nothing(event: ReviewSubmitted) -> None:
    assert review_submitted(event, build.snapshot()) == nothing("the pull request is not Orch's")


def test_orchs_own_answers_in_threads_are_skipped() -> None:
    assert SUBMITTED.skip is by_orch
    assert by_orch(submitted(actor=SELF), build.snapshot()) == "Orch wrote it itself"
    assert by_orch(submitted(), build.snapshot()) is None


@pytest.mark.parametrize("state", [ReviewState.CHANGES_REQUESTED, ReviewState.COMMENTED])
def test_a_review_that_asks_for_something_is_another_round(state: ReviewState) -> None:
    decision = reviewed(review(state), seen())
    job = run_job(TASK, 2, "rework")
    why = "`writer` reviewed pull request #30, so the agent works on it again."
    changes = {"attempt": 2, "job_id": job.id, "purpose": Purpose.REWORK, "rounds": 1}
    routed = build.record(Status.ROUTED, why=why, pull=30, head_sha=SHA, reviews=(4,), instructions=(TOLD,), **changes)
    kept = KeepText(digest=digest_of("", "Hm."), title="", body="Hm.")
    wanted = Send(event=SlotWanted(job=job, since=NOW.timestamp(), agent="script"))
    assert decision == Decision("`writer` reviewed the pull request", routed, (kept, wanted, build.SOON))


def test_who_reviews_while_more_waits_than_is_kept_is_told_so() -> None:
    full = IN_REVIEW.change(instructions=tuple(build.instruction(f"c-{number}") for number in range(MOST_WAITING)))
    body = "`writer`: Orch keeps 20 instructions for the agent, and that many wait already; this one is not kept."
    told = AddComment(task=TASK.model_copy(update={"number": 30}), key="full-review-4", body=body)
    assert reviewed(review(), seen(full)) == Decision("the review was not kept for the agent", full.meet(4), (told,))


def test_i2_a_review_is_met_once() -> None:
    met = after(reviewed(review(), seen()))
    for record in (met, IN_REVIEW.meet(4)):
        assert reviewed(review(), seen(record)) == nothing("the review asks for nothing new")


def test_i2_reviews_older_than_what_is_remembered_are_not_met_again() -> None:
    record = IN_REVIEW
    for number in range(4, 5 + MOST_HEARD):
        record = record.meet(number)
    assert (len(record.reviews), record.met_up_to) == (MOST_HEARD, 4)
    assert reviewed(review(), seen(record)) == nothing("the review asks for nothing new")


def test_a_review_with_nothing_but_threads_has_no_text_to_keep() -> None:
    threads = (build.thread(WRITER),)
    decision = reviewed(review(ReviewState.COMMENTED, " \n"), seen(threads=threads))
    assert [one.digest for one in after(decision).instructions] == [""]
    assert not any(isinstance(effect, KeepText) for effect in decision.effects)


@pytest.mark.parametrize("threads", [(), (build.thread(WRITER, is_resolved=True),), (build.thread(WRITER, SELF),)])
def test_a_comment_that_leaves_nothing_open_asks_for_nothing(threads: tuple[object, ...]) -> None:
    decision = reviewed(review(ReviewState.COMMENTED, ""), seen(threads=threads))
    assert decision == Decision("the review says nothing that is still open", IN_REVIEW.meet(4))


def test_changes_are_made_whatever_the_threads_say() -> None:
    assert after(reviewed(review(body=""), seen())).status is Status.ROUTED


def test_a_thread_is_open_until_it_is_resolved_or_orch_has_the_last_word() -> None:
    asked, answered = build.thread(WRITER), build.thread(WRITER, SELF, name="T2")
    gone, asked_again = build.thread(name="T3"), build.thread(WRITER, SELF, STRANGER, name="T4")
    assert open_threads(seen(threads=(asked, answered, gone, asked_again))) == (asked, asked_again)


@pytest.mark.parametrize(("merge", "sent"), [(None, ()), (MergeWish(by="writer"), (Send(event=PullDue(task=TASK)),))])
def test_an_approval_may_be_what_a_merge_waits_for(merge: MergeWish | None, sent: tuple[Send, ...]) -> None:
    decision = reviewed(review(ReviewState.APPROVED, actor=STRANGER), seen(IN_REVIEW.change(merge=merge)))
    assert decision == Decision("`stranger` approved the pull request", effects=sent)


@pytest.mark.parametrize(
    ("actor", "permission"), [(STRANGER, Permission.READ), (STRANGER, Permission.NONE), (ROBOT, Permission.WRITE)]
)
def test_i7_only_people_with_write_access_ask_for_changes(actor: Actor, permission: Permission) -> None:
    decision = reviewed(review(actor=actor), seen(permission=permission))
    assert (decision.record, decision.effects) == (IN_REVIEW.meet(4), ())


@pytest.mark.parametrize(
    "record", [None, IN_REVIEW.change(pull=31), build.record(Status.DONE, pull=30)], ids=["none", "another", "done"]
)
def test_a_review_that_is_not_of_an_open_task_means_nothing(record: TaskRecord | None) -> None:
    assert reviewed(review(), seen(record)) == nothing("the pull request is not that of an open task")


@pytest.mark.parametrize("state", [ReviewState.DISMISSED, ReviewState.PENDING])
def test_what_asks_for_nothing_costs_no_question(state: ReviewState) -> None:
    assert reviewed(review(state), seen()) == nothing("the review asks for nothing new")
    assert REVIEWED.settled(review(state), IN_REVIEW)
    assert REVIEWED.settled(review(), IN_REVIEW.change(pull=31))
    assert not REVIEWED.settled(review(), IN_REVIEW)


def test_a_review_during_a_run_waits_for_its_end() -> None:
    decision = reviewed(review(), seen(build.record(pull=30)))
    assert after(decision) == build.record(pull=30, reviews=(4,), instructions=(TOLD,))


def test_what_no_agent_was_told_begins_another_round() -> None:
    said = (TOLD, build.instruction(author="maintainer"), build.instruction("c-3", run_id=build.RUN))
    decision = feedback_due(DUE, seen(IN_REVIEW.change(instructions=said)))
    why = "`maintainer` and `writer` said something that the agent was not told yet, so it works again."
    assert (after(decision).why, after(decision).purpose) == (why, Purpose.REWORK)
    assert after(decision).instructions == said


def test_i2_what_was_told_begins_none() -> None:
    told = IN_REVIEW.change(instructions=(build.instruction(run_id=build.RUN),))
    assert feedback_due(DUE, seen(told)) == nothing("the agent was told all that was said")


@pytest.mark.parametrize("record", [None, build.record(), build.record(Status.PAUSED)])
def test_nothing_begins_where_no_pull_request_is_reviewed(record: TaskRecord | None) -> None:
    assert feedback_due(DUE, seen(record)) == nothing("the task is not in review")
