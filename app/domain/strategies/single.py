"""The plainest way of working: one agent, one branch, one pull request, a bounded number of attempts and rounds."""

from decimal import Decimal

from app.domain.approvals import Question, describe_question
from app.domain.comment import describe_agent
from app.domain.effects import (
    AddComment,
    AnswerThreads,
    Decision,
    DeleteRef,
    Effect,
    MoveBranch,
    OpenPull,
    RemoveLabel,
    Send,
    SubmitReview,
    ThreadAnswer,
    UpsertComment,
)
from app.domain.events import (
    FeedbackDue,
    PullDue,
    RunFinished,
    SlotFreed,
    Spent,
    WorkspaceExpired,
)
from app.domain.instructions import Instruction, delivered, for_now, given_back, waiting
from app.domain.jobs import Purpose
from app.domain.life import has_open_pull
from app.domain.names import run_ref
from app.domain.outcomes import GO_ON, SUCCEEDED, Outcome
from app.domain.record import RunSummary, TaskRecord, Unfinished
from app.domain.snapshot import Snapshot
from app.domain.strategies.declaring import touch
from app.domain.strategies.family import checked
from app.domain.strategies.limited import is_limited, may_pass_on, park, pass_on
from app.domain.strategies.planning import planned
from app.domain.strategies.starting import SHOW, begin, drop_unfinished, resumption, show_soon
from app.domain.task import Status, Trigger
from app.domain.text import neutralise, one_line, quote, sentence, subject

TITLE_LENGTH = 256
LONGEST_REVIEW = 60_000

TRY_AGAIN = (Outcome.AGENT_FAILED, Outcome.STALLED, Outcome.TIMED_OUT)
_ASKS = {
    Outcome.DELIVERED: "The run says that it delivered, but names no commit:",
    Outcome.NO_CHANGE: "Nothing was changed:",
    Outcome.ANSWERED: "The agent answered and changed nothing:",
    Outcome.INFRASTRUCTURE_FAILED: "The run could not be done here:",
    Outcome.BUDGET_SPENT: "A limit was reached:",
    Outcome.APPROVAL_NEEDED: "The agent wants to do what only a person may allow:",
    Outcome.CANCELLED: "The run was stopped:",
    Outcome.PROVIDER_LIMITED: "Providers took no more calls again and again:",
}


def after_run(event: RunFinished, record: TaskRecord, snapshot: Snapshot) -> Decision:
    """Say what follows from the end of a run: deliver, answer, try again, or ask a person."""
    result = event.result
    first = (Send(event=SlotFreed(job_id=event.job_id)), Send(event=spent_by(event, record)), *park(event, snapshot))
    record = _counted(event, record)
    if result.outcome is Outcome.DELIVERED and result.head_sha:
        return _deliver(event, record, first, result.head_sha)
    if result.plan is not None or result.verdict is not None:
        return _of_a_whole(event, record, first, snapshot)
    record, replaced = _keep_unfinished(event, record)
    if result.outcome is Outcome.REVIEWED and record.pull and not record.pull_closed:
        return _reviewed(event, record, record.pull, first)
    if result.outcome is Outcome.ANSWERED and (record.question or has_open_pull(record)):
        return _answer(event, record, first, snapshot)
    if may_pass_on(event, record) or _may_try_again(event, record, snapshot):
        return _try_again(event, record, (*first, *replaced), snapshot)
    return _ask(event, record, (*first, *replaced), snapshot)


def _may_try_again(event: RunFinished, record: TaskRecord, snapshot: Snapshot) -> bool:
    return event.result.outcome in TRY_AGAIN and record.tries < snapshot.policy.max_attempts


def spent_by(event: RunFinished, record: TaskRecord) -> Spent:
    """Return what tells of a run's cost; those that were for something else than the task itself are no example."""
    result, is_example = event.result, record.purpose is Purpose.WORK
    return Spent(
        repository=record.task.repository,
        run_id=event.run_id,
        cost=result.usage.cost,
        at=result.ended_at,
        agent=result.agent if is_example else "",
        complexity=record.complexity,
        outcome=result.outcome,
        seconds=(result.ended_at - result.started_at).total_seconds(),
    )


def _of_a_whole(event: RunFinished, record: TaskRecord, first: tuple[Effect, ...], snapshot: Snapshot) -> Decision:
    """Follow a plan that was made of the task, or what a check of all its parts found."""
    result = event.result
    if result.outcome is Outcome.PLANNED and result.plan is not None:
        return planned(event, result.plan, record, first, snapshot)
    return checked(record, result, first)


def _counted(event: RunFinished, record: TaskRecord) -> TaskRecord:
    """Write down the run, what its agent was told, and what it took of what was allowed besides."""
    return record.change(
        runs=(*record.runs, _summary(event, record)),
        run_id=None,
        instructions=_told(event, record),
        allowance=_left_of(record.allowance, event.result.usage.cost),
    )


def _told(event: RunFinished, record: TaskRecord) -> tuple[Instruction, ...]:
    """Note what the agent was told; what came to nothing, in a session that nobody goes on with, is told again."""
    result = event.result
    if result.outcome in SUCCEEDED or (result.session and result.outcome in GO_ON):
        return delivered(record.instructions, result.delivered, event.run_id)
    return given_back(record.instructions, event.run_id)


def _left_of(allowance: Decimal | None, cost: Decimal | None) -> Decimal | None:
    """Return what is left of what a person allowed; a run of unknown cost may have spent all of it."""
    if allowance is None or cost is None or allowance <= cost:
        return None
    return allowance - cost


def _keep_unfinished(event: RunFinished, record: TaskRecord) -> tuple[TaskRecord, tuple[Effect, ...]]:
    """Let the next run go on from what this one pushed, if it pushed anything; what was kept before is in it."""
    if not event.result.head_sha:
        return record, ()
    kept = Unfinished(run_id=event.run_id, sha=event.result.head_sha)
    return record.change(unfinished=kept), drop_unfinished(record)


def after_stop(event: RunFinished, record: TaskRecord) -> Decision:
    """Write down how a run ended that was told to stop, and what it cost; its task has moved on.

    What it pushed is gone on from, with its session, if it was to keep its work and the task still waits for that.
    """
    event, keeps = _cut_off(event), record.stop_keeps and record.status is Status.PAUSED
    result = event.result
    ended = _summary(event, record)
    counted = record.change(
        stopping=None,
        stop_keeps=False,
        runs=(*record.runs, ended if keeps else ended.model_copy(update={"session": None})),  # else for another text
        instructions=_told(event, record),
        allowance=_left_of(record.allowance, result.usage.cost),
    )
    spent = Send(event=spent_by(event, record))
    pushed: tuple[Effect, ...] = ()
    if result.head_sha and keeps:
        pushed = drop_unfinished(record)
        notice = "What the agent did so far is kept; `/resume` goes on from there."
        counted = counted.change(unfinished=Unfinished(run_id=event.run_id, sha=result.head_sha), notice=notice)
    elif result.head_sha:
        pushed = (DeleteRef(ref=run_ref(event.run_id)),)
    effects: tuple[Effect, ...] = (spent,) if record.cut_off else (spent, UpsertComment(), *pushed)
    after = (*effects, *resumption(record))
    return Decision(f"run {event.run_id} ended after it was told to stop", counted.change(goes_on=False), after)


def _cut_off(event: RunFinished) -> RunFinished:
    """Count a run that was done just as it was told to stop as cut off: nothing of it was delivered or posted."""
    result = event.result
    if result.outcome not in SUCCEEDED:
        return event
    cut: dict[str, object] = {
        "outcome": Outcome.CANCELLED,
        "reason": f"it was told to stop just as it ended as {result.outcome.value}",
        "session": result.session if result.outcome is Outcome.DELIVERED else None,  # else its words are wanted again
    }
    return event.model_copy(update={"result": result.model_copy(update=cut)})


def _summary(event: RunFinished, record: TaskRecord) -> RunSummary:
    result = event.result
    return RunSummary(
        run_id=event.run_id,
        attempt=record.attempt,
        purpose=record.purpose,
        agent=result.agent,
        model=result.model,
        session=result.session,
        outcome=result.outcome,
        reason=one_line(result.reason),
        head_sha=result.head_sha,
        usage=result.usage,
        started_at=result.started_at,
        ended_at=result.ended_at,
    )


def _deliver(event: RunFinished, record: TaskRecord, first: tuple[Effect, ...], sha: str) -> Decision:
    """Move the branch and open the pull request; if GitHub refuses, what was pushed is still known, and not lost."""
    effects: tuple[Effect, ...] = (
        *first,
        *drop_unfinished(record),
        MoveBranch(branch=record.branch, sha=sha, previous=record.head_sha),
        OpenPull(branch=record.branch, title=subject(record.title, TITLE_LENGTH), body=pull_body(event, record)),
        *_replies(event, record),
        *SHOW,
        DeleteRef(ref=run_ref(event.run_id)),
        *_follow_up(record),
    )
    pushed = touch(record, event.result.touched).change(unfinished=Unfinished(run_id=event.run_id, sha=sha), answers=())
    return Decision(f"run {event.run_id} delivered {sha[:12]}", pushed, effects)


def _replies(event: RunFinished, record: TaskRecord) -> tuple[Effect, ...]:
    replies = event.result.replies
    if record.pull is None or not replies:
        return ()
    answers = tuple(ThreadAnswer(thread=one.thread, body=neutralise(one.text), resolve=one.resolved) for one in replies)
    key = f"answers-{event.run_id}"
    return (AnswerThreads(pull=record.pull, key=key, answers=answers, commit=event.result.head_sha),)


def _follow_up(record: TaskRecord) -> tuple[Effect, ...]:
    """Look for what people said that no agent was told, and for a merge that was wished for."""
    said = (Send(event=FeedbackDue(task=record.task)),) if waiting(record.instructions) else ()
    wished = (Send(event=PullDue(task=record.task)),) if record.merge else ()
    return (*said, *wished)


def _answer(event: RunFinished, record: TaskRecord, first: tuple[Effect, ...], snapshot: Snapshot) -> Decision:
    """Post what the agent said; with an open pull request its review goes on, else the task is done.

    What was said while the agent came to its end is not lost with that: it is another round.
    """
    told = [one for one in record.instructions if one.run_id == event.run_id]
    asked = told[-1].author if told else record.requested_by
    place = record.task.model_copy(update={"number": told[-1].where if told else record.task.number})
    body = f"`{one_line(asked)}`, the agent {describe_agent(record)} answers; nothing was changed.\n\n"
    reply = AddComment(task=place, key=f"answered-{event.run_id}", body=body + quote(event.result.text))
    shown = (*first, *_replies(event, record), reply, *SHOW, *_follow_up(record))
    if has_open_pull(record):
        why = f"The agent answered. Pull request #{record.pull} waits for review."
        return Decision("the agent answered", record.advance(Trigger.OPEN_PULL, why), shown)
    if for_now(record.instructions) and record.rounds < snapshot.policy.max_rounds:
        why = "The agent answered, and is told now what was said meanwhile; the task waits for a runner."
        again, effects = begin(record, snapshot, why, purpose=record.purpose, rounds=record.rounds + 1)
        after = (*first, *_replies(event, record), reply, *effects, *show_soon(again, snapshot))
        return Decision("the agent answered, and was not told all that was said", again, after)
    why = f"The agent answered what `{one_line(asked)}` asked. To have it work on the issue, say so, or say `/retry`."
    off = (RemoveLabel(task=record.task, label=record.label),) if record.label else ()
    return Decision("the agent answered", record.advance(Trigger.COMPLETE, why, left_open=True), (*shown, *off))


def _reviewed(event: RunFinished, record: TaskRecord, pull: int, first: tuple[Effect, ...]) -> Decision:
    said = neutralise(event.result.text, LONGEST_REVIEW)
    body = f"A review by the agent {describe_agent(record)}, in run `{event.run_id}`.\n\n{said}"
    review = SubmitReview(pull=pull, key=f"review-{event.run_id}", body=body)
    why = f"The agent reviewed pull request #{pull}, which waits for people to review it."
    reviewed = record.advance(Trigger.OPEN_PULL, why)
    return Decision("the agent reviewed the pull request", reviewed, (*first, review, *SHOW, *_follow_up(record)))


def pull_body(event: RunFinished, record: TaskRecord) -> str:
    """Render the pull request's body; it ends with the one closing keyword that counts."""
    said = quote(event.result.text) if event.result.text else "It said nothing."
    parts = [
        f"Made by Orch for #{record.task.number}, at the request of `{record.requested_by}`, with the agent "
        f"{describe_agent(record)} in run `{event.run_id}`.",
        f"<details><summary>What the agent said</summary>\n\n{said}\n\n</details>",
        f"Closes #{record.task.number}",
    ]
    return "\n\n".join(parts)


def _try_again(event: RunFinished, record: TaskRecord, first: tuple[Effect, ...], snapshot: Snapshot) -> Decision:
    if is_limited(event):
        return pass_on(event, record, first, snapshot)
    ended = f"Attempt {record.tries} ended as `{event.result.outcome.value}`"
    why = f"{ended}: {sentence(event.result.reason)} Trying again."
    retried, effects = begin(
        record,
        snapshot,
        why,
        purpose=record.purpose,
        tries=record.tries + 1,
        rounds=record.rounds,
        changes={"remarks": snapshot.remarks},
    )
    return Decision(why, retried, (*first, *effects, *show_soon(retried, snapshot)))


def _ask(event: RunFinished, record: TaskRecord, first: tuple[Effect, ...], snapshot: Snapshot) -> Decision:
    why, asked = _question(event, record), event.result.asked
    parts = [why, *([describe_question(asked)] if asked else []), quote(event.result.text)]
    call = AddComment(task=record.task, key=f"ended-{event.run_id}", body="\n\n".join(parts).strip())
    waits = Question(key=asked.key, text=asked.text, at=snapshot.now) if asked else None
    expired = WorkspaceExpired(task=record.task, attempt=record.attempt)
    tidy = Send(event=expired, delay=max(snapshot.policy.keep_failed, 1))
    return Decision(why, record.advance(Trigger.PARK, why, asked=waits, merge=None), (*first, *SHOW, call, tidy))


def _question(event: RunFinished, record: TaskRecord) -> str:
    outcome, reason = event.result.outcome, sentence(event.result.reason, 400)
    said = f"{_ASKS.get(outcome, f'Attempt {record.tries}, the last, ended as `{outcome.value}`:')} {reason}"
    kept = " What it did so far is kept." if event.result.head_sha and record.unfinished else ""
    if event.result.asked:
        return f"{said}{kept}"
    if outcome is Outcome.BUDGET_SPENT:
        more = (
            "To let it spend more, a person who may approve budgets says `/approve budget N`, with N in US dollars; "
            "`/resume` goes on within the limits there are."
        )
        return f"{said}{kept} {more}"
    return f"{said}{kept} To start it again, say `/retry`, or take the label off and put it on again."
