"""The plainest way of working: one agent, one branch, one pull request, a bounded number of attempts."""

from app.domain.approvals import Question, describe_question
from app.domain.comment import describe_agent
from app.domain.config import FILE, Origin
from app.domain.effects import (
    AddComment,
    Decision,
    DeleteRef,
    Effect,
    KeepText,
    MoveBranch,
    OpenPull,
    Send,
    SetLabels,
    UpsertComment,
)
from app.domain.events import IssueLabeled, Refresh, RunFinished, SlotFreed, SlotWanted
from app.domain.jobs import run_job
from app.domain.names import branch_of, digest_of, run_ref
from app.domain.outcomes import Outcome
from app.domain.record import RunSummary, TaskRecord, Unfinished
from app.domain.snapshot import Snapshot
from app.domain.task import Status, Trigger
from app.domain.text import neutralise, one_line, quote, sentence

TITLE_LENGTH = 256

TRY_AGAIN = (Outcome.AGENT_FAILED, Outcome.STALLED, Outcome.TIMED_OUT, Outcome.PROVIDER_LIMITED)
_ASKS = {
    Outcome.DELIVERED: "The run says that it delivered, but names no commit:",
    Outcome.NO_CHANGE: "Nothing was changed:",
    Outcome.INFRASTRUCTURE_FAILED: "The run could not be done here:",
    Outcome.BUDGET_SPENT: "The run reached a limit:",
    Outcome.APPROVAL_NEEDED: "The agent wants to do what only a person may allow:",
    Outcome.CANCELLED: "The run was stopped:",
}
SHOW: tuple[Effect, ...] = (SetLabels(), UpsertComment())


def admit(event: IssueLabeled, snapshot: Snapshot) -> Decision:
    """Take a task on, or take it up again: choose the agent, keep the text, ask for a slot."""
    agent = snapshot.policy.agents[0]
    digest = digest_of(event.title, event.body)
    record = snapshot.record or TaskRecord(
        task=event.task,
        title=event.title,
        status=Status.NEW,
        why="",
        attempt=0,
        agent=agent,
        requested_by=event.actor.login,
        requested_by_id=event.actor.id,
        admitted=digest,
        branch=branch_of(event.task.number, event.title, snapshot.policy.branch_prefix),
        created_at=snapshot.now,
    )
    job = run_job(event.task, record.attempt + 1)
    dropped = drop_unfinished(record) if digest != record.admitted else ()
    record = record.change(agent=agent, model=None, unfinished=None if dropped else record.unfinished)
    first = job.attempt if digest != record.admitted else record.first_attempt
    routed = record.advance(
        Trigger.ROUTE,
        f"Agent {describe_agent(record)} was chosen {_chooser(snapshot)}; the task waits for a runner.",
        task=event.task,
        title=event.title,
        attempt=job.attempt,
        first_attempt=first,
        job_id=job.id,
        admitted=digest,
        answers=record.answers if digest == record.admitted else (),
        edited=snapshot.issue is not None and digest_of(snapshot.issue.title, snapshot.issue.body) != digest,
        label=event.label,
        head_sha=snapshot.head,
        requested_by=event.actor.login,
        requested_by_id=event.actor.id,
        remarks=snapshot.remarks,
        cut_off=None,
    )
    effects: tuple[Effect, ...] = (
        KeepText(digest=digest, title=event.title, body=event.body),
        *dropped,
        Send(event=SlotWanted(job=job, since=snapshot.now.timestamp(), most=snapshot.parallel)),
        Send(event=Refresh(task=event.task), delay=snapshot.policy.settle),
    )
    return Decision(f"{event.actor.login} asked for it with the label {event.label}", routed, effects)


def _chooser(snapshot: Snapshot) -> str:
    chosen = snapshot.config.settings["agent"].origin if snapshot.config else Origin.OPERATOR
    return f"by the repository's `{FILE}`" if chosen is Origin.REPOSITORY else "as the operator's default"


def after_run(event: RunFinished, record: TaskRecord, snapshot: Snapshot) -> Decision:
    """Say what follows from the end of a run: deliver, try again, or ask a person."""
    record = record.change(runs=(*record.runs, _summary(event, record)), run_id=None)
    freed = Send(event=SlotFreed(job_id=event.job_id))
    if event.result.outcome is Outcome.DELIVERED and event.result.head_sha:
        return _deliver(event, record, freed, event.result.head_sha)
    record, replaced = _keep_unfinished(event, record)
    if event.result.outcome in TRY_AGAIN and record.attempt < snapshot.policy.max_attempts:
        return _try_again(event, record, (freed, *replaced), snapshot)
    return _ask(event, record, (freed, *replaced), snapshot)


def _keep_unfinished(event: RunFinished, record: TaskRecord) -> tuple[TaskRecord, tuple[Effect, ...]]:
    """Let the next run go on from what this one pushed, if it pushed anything; what was kept before is in it."""
    if not event.result.head_sha:
        return record, ()
    kept = Unfinished(run_id=event.run_id, sha=event.result.head_sha)
    return record.change(unfinished=kept), drop_unfinished(record)


def drop_unfinished(record: TaskRecord) -> tuple[Effect, ...]:
    """Remove what an earlier run pushed of its unfinished work; what is in the pull request was removed with that."""
    left = record.unfinished
    is_delivered = left is not None and left.sha == record.head_sha and record.pull is not None
    return (DeleteRef(ref=run_ref(left.run_id)),) if left and not is_delivered else ()


def resume(record: TaskRecord, snapshot: Snapshot, why: str) -> Decision:
    """Go on with a task that was stopped through nobody's wish: another attempt at the same text."""
    job = run_job(record.task, record.attempt + 1)
    routed = record.advance(Trigger.ROUTE, why, attempt=job.attempt, job_id=job.id, cut_off=None)
    wanted = Send(event=SlotWanted(job=job, since=snapshot.now.timestamp(), most=snapshot.parallel))
    return Decision(why, routed, (wanted, *SHOW))


def after_stop(event: RunFinished, record: TaskRecord) -> Decision:
    """Write down how a run ended that was told to stop, and what it cost; its task has moved on."""
    ended = _summary(event, record).model_copy(update={"session": None})  # its task may follow another text by now
    counted = record.change(stopping=None, runs=(*record.runs, ended))
    pushed = (DeleteRef(ref=run_ref(event.run_id)),) if event.result.head_sha else ()
    effects: tuple[Effect, ...] = () if record.cut_off else (UpsertComment(), *pushed)
    return Decision(f"run {event.run_id} ended after it was told to stop", counted, effects)


def _summary(event: RunFinished, record: TaskRecord) -> RunSummary:
    result = event.result
    return RunSummary(
        run_id=event.run_id,
        attempt=record.attempt,
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


def _deliver(event: RunFinished, record: TaskRecord, freed: Send, sha: str) -> Decision:
    """Move the branch and open the pull request; if GitHub refuses, what was pushed is still known, and not lost."""
    effects: tuple[Effect, ...] = (
        freed,
        *drop_unfinished(record),
        MoveBranch(branch=record.branch, sha=sha, previous=record.head_sha),
        OpenPull(branch=record.branch, title=neutralise(record.title, TITLE_LENGTH), body=pull_body(event, record)),
        *SHOW,
        DeleteRef(ref=run_ref(event.run_id)),
    )
    pushed = record.change(unfinished=Unfinished(run_id=event.run_id, sha=sha), answers=())
    return Decision(f"run {event.run_id} delivered {sha[:12]}", pushed, effects)


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
    job = run_job(record.task, record.attempt + 1)
    ended = f"Attempt {record.attempt} ended as `{event.result.outcome.value}`"
    why = f"{ended}: {sentence(event.result.reason)} Trying again."
    retried = record.advance(Trigger.RETRY, why, attempt=job.attempt, job_id=job.id, remarks=snapshot.remarks)
    limited = event.result.outcome is Outcome.PROVIDER_LIMITED
    wanted = Send(
        event=SlotWanted(job=job, since=snapshot.now.timestamp(), most=snapshot.parallel),
        delay=snapshot.policy.retry_cap if limited else 0,
    )
    return Decision(why, retried, (*first, wanted, *SHOW))


def _ask(event: RunFinished, record: TaskRecord, first: tuple[Effect, ...], snapshot: Snapshot) -> Decision:
    why, asked = _question(event, record), event.result.asked
    parts = [why, *([describe_question(asked)] if asked else []), quote(event.result.text)]
    call = AddComment(task=record.task, key=f"ended-{event.run_id}", body="\n\n".join(parts).strip())
    waits = Question(key=asked.key, text=asked.text, at=snapshot.now) if asked else None
    return Decision(why, record.advance(Trigger.PARK, why, asked=waits), (*first, *SHOW, call))


def _question(event: RunFinished, record: TaskRecord) -> str:
    outcome, reason = event.result.outcome, sentence(event.result.reason)
    said = f"{_ASKS.get(outcome, f'Attempt {record.attempt}, the last, ended as `{outcome.value}`:')} {reason}"
    kept = " What it did so far is kept." if event.result.head_sha and record.unfinished else ""
    if event.result.asked:
        return f"{said}{kept}"
    return f"{said}{kept} To start it again, take the label off and put it on again."
