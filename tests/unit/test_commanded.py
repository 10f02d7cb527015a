"""What each command does to a task, wherever the task stands."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain import life
from app.domain.config import RepoFile, resolve
from app.domain.effects import AddLabel, KeepText, RemoveLabel, Send, ShowLog, StopRun, UpdateBranch, UpsertComment
from app.domain.events import Commented, PullDue, Refresh, SlotFreed
from app.domain.explaining import describe_leave, describe_why
from app.domain.facts import Issue, Permission
from app.domain.grants import Stop
from app.domain.instructions import Kind
from app.domain.jobs import Purpose
from app.domain.names import digest_of
from app.domain.outcomes import Outcome
from app.domain.policy import Policy
from app.domain.record import MergeWish, TaskRecord, Unfinished
from app.domain.said import Command
from app.domain.snapshot import Snapshot
from app.domain.strategies.commanded import obey
from app.domain.strategies.listening import Scene, Step
from app.domain.strategies.starting import SHOW
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import BODY, JOB, RUN, SHA, TASK, TITLE
from tests.unit.commenting import read

POLICY = Policy(agents=("script", "claude"))
OPEN, SHUT = build.issue("orch"), build.issue("orch", is_open=False)
MERGED = "merged"
STANDS: dict[str, TaskRecord] = {
    "routed": build.record(Status.ROUTED),
    "in_progress": build.record(Status.IN_PROGRESS),
    "in_review": build.record(Status.IN_REVIEW, pull=30, head_sha=SHA),
    "needs_review": build.record(Status.NEEDS_REVIEW),
    "paused": build.record(Status.PAUSED),
    "done": build.record(Status.DONE),
    MERGED: build.record(Status.DONE, pull=30),
    "cancelled": build.record(Status.CANCELLED),
}
AGAIN = dict.fromkeys(("needs_review", "paused", "done", "cancelled"), "routed")
HALT = dict.fromkeys(("routed", "in_progress", "in_review"), "paused")


def snapshot(record: TaskRecord | None, issue: Issue | None = OPEN) -> Snapshot:
    return build.snapshot(record, issue, Permission.WRITE, policy=POLICY, config=resolve(POLICY, RepoFile()))


def say(body: str, record: TaskRecord | None, issue: Issue | None = OPEN, **how: Any) -> Step:
    """Say one command in a comment."""
    event = build.commented(body, **how)
    return tell(read(body), event, record, issue)


def say_on_pull(body: str, record: TaskRecord | None, issue: Issue | None = OPEN) -> Step:
    return tell(read(body), build.on_pull(body), record, issue)


def tell(command: Command, event: Commented, record: TaskRecord | None, issue: Issue | None) -> Step:
    return obey(command, record, Scene(event, snapshot(record, issue)))


def after(step: Step) -> TaskRecord:
    assert step.record is not None
    return step.record


def refused(step: Step, record: TaskRecord | None) -> str:
    """Return why nothing was done, having seen that nothing was."""
    assert (step.record, step.effects, step.done) == (record, (), False)
    assert " did nothing: " in step.reply
    return step.reply.partition(" did nothing: ")[2]


@pytest.mark.parametrize(
    ("body", "moves"),
    [
        ("/retry", AGAIN),
        ("/retry do more", {**AGAIN, "in_review": "routed"}),
        ("/stop", HALT),
        ("/pause", HALT),
        ("/resume", {"needs_review": "routed", "paused": "routed"}),
        ("/cancel", dict.fromkeys((*HALT, "needs_review", "paused"), "cancelled")),
        ("/review", {"in_review": "routed"}),
        ("/rebase", {"in_review": "in_review"}),
        ("/merge", {"in_review": "in_review"}),
        ("/ok-to-run", {"done": "routed", "cancelled": "routed"}),
        ("/approve", {}),
        ("/deny", {}),
        ("/approve budget 5", {name: name for name in STANDS if name not in (MERGED, "done", "cancelled")}),
        ("/agent claude", {name: str(record.status) for name, record in STANDS.items()}),
        ("/log", {"in_progress": "in_progress"}),
    ],
)
def test_every_command_means_something_in_some_statuses_and_says_so_in_the_others(
    body: str, moves: dict[str, str]
) -> None:
    steps = {name: say(body, record) for name, record in STANDS.items()}
    assert {name: str(after(step).status) for name, step in steps.items() if step.done} == moves
    for name in STANDS.keys() - moves.keys():
        assert refused(steps[name], STANDS[name]).endswith(".")


def test_a_task_is_described_and_not_touched() -> None:
    for record in (None, *STANDS.values()):
        seen = snapshot(record)
        assert say("/orch", record) == Step(record, reply=describe_leave(record, build.WRITER, seen))
        assert say("/why", record) == Step(record, reply=describe_why(record, seen))


@pytest.mark.parametrize("body", ["/retry", "/stop", "/approve", "/merge", "/log"])
def test_where_there_is_no_task_people_are_told_how_to_make_one(body: str) -> None:
    why = "this issue is no task of Orch's. The label `orch`, or `/ok-to-run`, makes it one."
    assert refused(say(body, None), None) == why


def test_somebody_who_may_has_a_strangers_issue_worked_on() -> None:
    step = say("/ok-to-run", None, build.issue())
    digest = digest_of(TITLE, BODY)
    made = (after(step).status, after(step).requested_by, after(step).admitted, after(step).label)
    assert made == (Status.ROUTED, "writer", digest, "orch")
    kept, label, _, refresh = step.effects
    assert (kept, label) == (KeepText(digest=digest, title=TITLE, body=BODY), AddLabel(task=TASK, label="orch"))
    assert refresh == Send(event=Refresh(task=TASK), delay=POLICY.settle)
    assert not after(step).question


@pytest.mark.parametrize("body", ["/ok-to-run", "/retry"])
@pytest.mark.parametrize("issue", [None, SHUT])
def test_a_closed_issue_is_reopened_first(body: str, issue: Issue | None) -> None:
    cancelled = build.record(Status.CANCELLED)
    assert refused(say(body, cancelled, issue), cancelled) == "the issue is closed; reopen it first."


def test_on_a_pull_request_it_is_known_whether_the_task_ended_with_its_issue() -> None:
    cancelled = build.record(Status.CANCELLED)
    assert refused(say_on_pull("/retry", cancelled, None), cancelled) == "the issue is closed; reopen it first."
    assert after(say_on_pull("/retry", cancelled.change(left_open=True), None)).status is Status.ROUTED


def test_i7_the_text_that_is_followed_is_that_of_the_comments_moment() -> None:
    parked, why = (
        build.record(Status.CANCELLED),
        "say it (again) on the issue itself, whose text of that moment is followed.",
    )
    assert refused(say_on_pull("/ok-to-run", parked), parked) == why
    step = say("/retry", parked, title="New", text="Text")
    assert (after(step).title, after(step).admitted, after(step).edited) == ("New", digest_of("New", "Text"), True)


def test_a_merged_task_is_gone_on_with_when_its_issue_is_reopened() -> None:
    why = "the task is done with pull request #30. Reopen the issue to have more done."
    assert refused(say("/retry", STANDS[MERGED]), STANDS[MERGED]) == why
    closed_unmerged = STANDS[MERGED].change(pull_closed=True)
    assert after(say("/retry", closed_unmerged)).status is Status.ROUTED


def test_what_stands_behind_retry_is_an_instruction() -> None:
    step = say("/retry claude please lint\nand test", STANDS["needs_review"])
    [told] = after(step).instructions
    assert (told.kind, told.author, told.digest) == (Kind.COMMENT, "writer", digest_of("", "please lint\nand test"))
    assert KeepText(digest=told.digest, title="", body="please lint\nand test") in step.effects


@pytest.mark.parametrize("where", [say, say_on_pull])
@pytest.mark.parametrize(
    ("body", "chosen"),
    [
        ("/retry", ("script", None)),
        ("/retry claude", ("claude", None)),
        ("/retry claude opus-4.5", ("claude", "opus-4.5")),
        ("/retry opus-4.5", ("script", "opus-4.5")),
    ],
)
def test_the_next_attempt_is_by_the_agent_and_model_that_were_named(where: Any, body: str, chosen: Any) -> None:
    retried = after(where(body, STANDS["needs_review"]))
    assert (retried.agent, retried.model) == chosen
    assert (retried.status, retried.rounds) == (Status.ROUTED, 0)


def test_a_retry_that_does_nothing_chooses_nothing() -> None:
    why = "its pull request waits for review. Say what is to be different: `/retry TEXT`."
    assert refused(say("/retry claude", STANDS["in_review"]), STANDS["in_review"]) == why


def test_a_retry_with_text_in_review_is_a_round_on_the_pull_request() -> None:
    step = say("/retry claude shorter please", STANDS["in_review"].change(rounds=4))
    changed = after(step)
    assert (changed.purpose, changed.rounds, changed.agent) == (Purpose.REWORK, 1, "claude")
    assert changed.why == "`writer` asked for another round."
    assert [one.run_id for one in changed.instructions] == [None]


def test_a_retry_while_a_pull_request_is_open_is_a_round_on_it() -> None:
    parked = build.record(Status.NEEDS_REVIEW, pull=30, purpose=Purpose.REWORK)
    assert after(say("/retry", parked)).purpose is Purpose.REWORK
    assert after(say("/retry", parked, text="Another text.")).purpose is Purpose.WORK
    assert after(say("/retry", parked.change(pull_closed=True))).purpose is Purpose.WORK


def test_a_stop_ends_the_agent_and_keeps_its_work() -> None:
    why = "`writer` stopped it. `/resume` goes on with it, in the same session where the agent can."
    paused = build.record(Status.PAUSED, why=why, stopping=RUN, stop_keeps=True)
    freed = Send(event=SlotFreed(job_id=JOB.id))
    step = say("/stop", STANDS["in_progress"])
    assert step == Step(paused, (StopRun(run_id=RUN, how=Stop.KEEP), freed, *SHOW))


def test_a_pause_lets_the_agent_come_to_the_end_of_its_turn() -> None:
    step = say("/pause", STANDS["in_progress"])
    assert step.effects[0] == StopRun(run_id=RUN, how=Stop.TURN)
    assert " The agent comes to the end of its turn first. `/resume`" in after(step).why
    assert "its turn" not in after(say("/pause", STANDS["routed"])).why


def test_a_stop_ends_a_turn_that_a_pause_waits_for() -> None:
    paused = after(say("/pause", STANDS["in_progress"]))
    hurried = paused.change(notice="`writer` stopped it, without waiting for the end of its turn.")
    assert say("/stop", paused) == Step(hurried, (StopRun(run_id=RUN, how=Stop.KEEP), UpsertComment()))
    assert refused(say("/pause", paused), paused) == "nothing is under way: the task is `paused`."


def test_what_was_only_in_review_is_in_review_again() -> None:
    paused = build.record(Status.PAUSED, pull=30, head_sha=SHA, runs=(build.summary(),))
    reviewed = build.record(
        Status.IN_REVIEW, why="Pull request #30 waits for review.", pull=30, head_sha=SHA, runs=paused.runs
    )
    assert say("/resume", paused) == Step(reviewed, SHOW)
    assert after(say("/resume", paused.change(runs=()))).status is Status.IN_REVIEW


@pytest.mark.parametrize(("labels", "back"), [((), True), (("orch",), False)])
def test_who_has_it_go_on_has_the_label_on_again_that_was_taken_off(labels: tuple[str, ...], back: bool) -> None:
    paused = build.record(Status.PAUSED, label="orch")
    step = say("/resume", paused, issue=build.issue(*labels))
    assert (AddLabel(task=paused.task, label="orch") in step.effects) is back


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ("/resume", {"instructions": (build.instruction(),)}),
        ("/resume", {"pull_closed": True}),
        ("/resume", {"runs": (build.summary(outcome=Outcome.TIMED_OUT),)}),
        ("/resume and lint", {}),
    ],
    ids=["something was said", "closed", "cut off", "something is said"],
)
def test_otherwise_the_agent_goes_on(body: str, changes: dict[str, Any]) -> None:
    paused = build.record(Status.PAUSED, pull=30, head_sha=SHA, runs=(build.summary(),), rounds=3).change(**changes)
    resumed = after(say(body, paused))
    assert (resumed.status, resumed.rounds, resumed.why) == (
        Status.ROUTED,
        0,
        "`writer` had it go on; the task waits for a runner.",
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"stopping": RUN}, "its run is still coming to its end. Say it again when that is over; `/retry` begins anew"),
        ({"asked": build.QUESTION}, "the agent waits for an answer. Say `/approve` or `/deny REASON`."),
    ],
)
def test_a_task_goes_on_only_when_it_can(changes: dict[str, Any], why: str) -> None:
    waiting = build.record(Status.NEEDS_REVIEW, **changes)
    assert refused(say("/resume", waiting), waiting).startswith(why)


@pytest.mark.parametrize(("minutes", "goes_on"), [(19, False), (21, True)])
def test_a_task_goes_on_even_if_the_end_of_a_lost_run_is_never_told(minutes: int, goes_on: bool) -> None:
    paused = build.record(Status.PAUSED, stopping=RUN, since=build.NOW - timedelta(minutes=minutes))
    assert (after(say("/resume", paused)).status is Status.ROUTED) is goes_on


def test_a_cancelled_task_is_tidied_up_and_its_pull_request_left() -> None:
    why = (
        "`writer` cancelled the task. Pull request #30 stays open: merge or close it yourself. "
        "`/retry` takes it up again."
    )
    known = STANDS["in_review"].change(unfinished=Unfinished(run_id=RUN, sha=SHA), merge=MergeWish(by="writer"))
    step = say("/cancel", known)
    ended = (after(step).status, after(step).why, after(step).merge, after(step).left_open)
    assert ended == (Status.CANCELLED, why, None, True)
    assert step.effects == (RemoveLabel(task=TASK, label="orch"), *life.tidy(known), *SHOW)


def test_a_cancelled_run_ends_at_once_even_if_it_was_to_come_to_its_end() -> None:
    for known in (build.record(), build.record(Status.PAUSED, stopping=RUN, stop_keeps=True)):
        step = say("/cancel", known.change(label=""))
        assert step.effects[0] == StopRun(run_id=RUN, how=Stop.DROP)
        assert (after(step).stopping, after(step).stop_keeps) == (RUN, False)


def test_a_budget_lets_a_task_go_on_that_waits_for_it() -> None:
    known = build.record(
        Status.NEEDS_REVIEW, runs=(build.summary(outcome=Outcome.BUDGET_SPENT),), purpose=Purpose.REWORK
    )
    step = say("/approve budget 5", known)
    allowed = (after(step).status, after(step).allowance, after(step).purpose, after(step).why)
    why = "`writer` let it spend $5.00 more; the task waits for a runner."
    assert allowed == (Status.ROUTED, Decimal(5), Purpose.REWORK, why)


@pytest.mark.parametrize(
    "known",
    [
        build.record(),
        build.record(Status.NEEDS_REVIEW),
        build.record(Status.NEEDS_REVIEW, runs=(build.summary(outcome=Outcome.BUDGET_SPENT),), asked=build.QUESTION),
    ],
)
def test_elsewhere_a_budget_counts_from_the_next_run_on(known: TaskRecord) -> None:
    notice = "`writer` let it spend $2.50 more, beyond the caps, from the next run on."
    allowed = known.change(allowance=Decimal("3.50"), notice=notice)
    assert say("/approve budget 2.50", known.change(allowance=Decimal(1))) == Step(allowed, (UpsertComment(),))


@pytest.mark.parametrize(("status", "now"), [("in_progress", "script"), ("paused", "claude")])
def test_another_agent_is_for_the_next_attempt(status: str, now: str) -> None:
    step = say("/agent claude sonnet-4.5", STANDS[status])
    chosen = after(step)
    assert (chosen.choice.agent, chosen.choice.model, chosen.agent) == ("claude", "sonnet-4.5", now)
    assert chosen.notice.startswith("`writer` chose the agent `claude`, from ")
    assert step.effects == (UpsertComment(),)


def test_a_review_by_the_agent_is_no_round_and_knows_what_to_look_at() -> None:
    step = say_on_pull("/review look at the names", STANDS["in_review"].change(rounds=2))
    asked = after(step)
    assert (asked.purpose, asked.rounds, asked.why) == (Purpose.REVIEW, 2, "`writer` asked for a review by the agent.")
    assert [(one.where, one.kind) for one in asked.instructions] == [(30, Kind.COMMENT)]


@pytest.mark.parametrize("body", ["/review", "/merge"])
def test_a_closed_pull_request_is_neither_reviewed_nor_merged(body: str) -> None:
    closed = STANDS["in_review"].change(pull_closed=True)
    why = "there is no open pull request in review: the task is `in_review`."
    assert refused(say(body, closed), closed) == why


@pytest.mark.parametrize("changes", [{"pull": None}, {"head_sha": None}])
def test_without_a_branch_there_is_nothing_to_bring_up_to_date(changes: dict[str, None]) -> None:
    known = STANDS["in_review"].change(**changes)
    assert refused(say("/rebase", known), known) == "there is no open pull request in review: the task is `in_review`."


def test_the_base_branch_is_brought_in() -> None:
    known = STANDS["in_review"].change(notice="`writer` asked for the base branch to be brought in.")
    assert say("/rebase", STANDS["in_review"]) == Step(known, (UpdateBranch(pull=30, sha=SHA), UpsertComment()))


def test_a_merge_is_wished_for_and_looked_at_at_once() -> None:
    wished = STANDS["in_review"].change(merge=MergeWish(by="writer"))
    assert say("/merge", STANDS["in_review"]) == Step(wished, (Send(event=PullDue(task=TASK)),))


def test_the_log_is_shown_where_it_was_asked_for() -> None:
    ran = STANDS["in_review"].change(runs=(build.summary("run-7"),))
    here = ShowLog(task=TASK, key="log-50", run_id="run-7")
    assert say("/log", ran).effects == (here,)
    assert say_on_pull("/log", ran).effects == (here.model_copy(update={"task": build.task(30)}),)
    assert say("/log", build.record()).effects == (ShowLog(task=TASK, key="log-50", run_id=RUN),)
