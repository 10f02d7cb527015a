"""Setting a task going: the one place where the job for a run is made."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from app.domain.effects import AddComment, Decision, DeleteRef, Effect, KeepText, Send, SetLabels, UpsertComment
from app.domain.events import Refresh, SlotFreed, SlotWanted
from app.domain.graph_events import ParentSaid
from app.domain.instructions import Instruction, Kind, waiting
from app.domain.jobs import Job, Purpose, run_job
from app.domain.names import run_ref
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.blocking import block, must_wait
from app.domain.task import Status, Trigger, can

SHOW: tuple[Effect, ...] = (SetLabels(), UpsertComment())
MOST_RUNS = 10
WITHIN = timedelta(minutes=30)
NO_CHANGES: Mapping[str, object] = MappingProxyType({})
HELD = "It is part of a plan and waits for a person with write access, who starts it with `/retry`."
"""Where nothing that was planned starts by itself."""
_WAYS = (Trigger.ROUTE, Trigger.REWORK, Trigger.RETRY)


def begin(
    record: TaskRecord,
    snapshot: Snapshot,
    why: str,
    *,
    purpose: Purpose = Purpose.WORK,
    tries: int = 1,
    rounds: int = 0,
    delay: float = 0,
    changes: Mapping[str, object] = NO_CHANGES,
) -> tuple[TaskRecord, tuple[Effect, ...]]:
    """Ask for a run, which is a new attempt; a task that must wait, or that went round and round, gets none.

    Whoever asks has the new status shown, see `show_soon`. `tries` counts the attempts at the same, `rounds` the runs
    since a person set the task going; `delay` is in seconds.
    """
    wanted = record.change(**{"purpose": purpose, "tries": tries, "rounds": rounds, **changes})
    given_up = _given_up(record)
    if too_often(record, snapshot.now):
        parked, effects = _break_loop(record.change(**changes), snapshot.now)
        return parked, (*given_up, *effects)
    if must_wait(wanted):
        return block(wanted), given_up
    if wanted.held and purpose is Purpose.WORK and can(record.status, Trigger.HOLD):
        return wanted.advance(Trigger.HOLD, HELD), given_up
    job = run_job(record.task, record.attempt + 1, purpose.value)
    way = next(trigger for trigger in _WAYS if can(record.status, trigger))
    numbers: dict[str, object] = {"attempt": job.attempt, "job_id": job.id, "tries": tries, "rounds": rounds}
    numbers |= {"commented": True, "held": False}
    routed = record.advance(way, why, purpose=purpose, cut_off=None, **{**numbers, **changes})
    return routed, (*given_up, Send(event=slot_for(routed, job, snapshot, snapshot.now), delay=delay))


def _given_up(record: TaskRecord) -> tuple[Effect, ...]:
    """Take a job off the board that waits there for a path, and in whose place another is wanted."""
    waits = record.status is Status.BLOCKED and record.job_id is not None
    return (Send(event=SlotFreed(job_id=record.job_id)),) if waits and record.job_id else ()


def slot_for(record: TaskRecord, job: Job, snapshot: Snapshot, since: datetime) -> SlotWanted:
    """Return what asks admission for the slot in which the task's agent does the job."""
    reviewer = record.reviewer.agent if record.purpose is Purpose.REVIEW else None
    return SlotWanted(
        job=job,
        since=since.timestamp(),
        most=snapshot.parallel,
        priority=record.priority,
        agent=reviewer or record.agent,
        locks=record.locks,
    )


def go_on_from_blockers(record: TaskRecord, snapshot: Snapshot, why: str) -> Decision:
    """Begin what waited for other issues."""
    begun, effects = begin(
        record, snapshot, why, purpose=record.purpose, tries=record.tries, rounds=record.rounds, changes=NO_CHANGES
    )
    return Decision(why, begun, (*effects, *show_soon(begun, snapshot)))


def too_often(record: TaskRecord, now: datetime) -> bool:
    """Say whether so many runs ended lately that something goes round in circles."""
    return sum(now - run.ended_at < WITHIN for run in record.runs) >= MOST_RUNS


def _break_loop(record: TaskRecord, now: datetime) -> tuple[TaskRecord, tuple[Effect, ...]]:
    first = min(run.ended_at for run in record.runs if now - run.ended_at < WITHIN)
    why = (
        f"This task had {MOST_RUNS} runs within {WITHIN.seconds // 60} minutes, so something goes round in circles and "
        f"Orch stopped. A person with write access looks into it; `/retry` works again from "
        f"{(first + WITHIN).strftime('%H:%M')} UTC on."
    )
    if not can(record.status, Trigger.PARK):
        return record.change(notice=why), (UpsertComment(),)
    call = AddComment(task=record.task, key=f"loop-{record.attempt}", body=why)
    return record.advance(Trigger.PARK, why, merge=None), (call,)


def rework(
    record: TaskRecord,
    snapshot: Snapshot,
    why: str,
    *,
    purpose: Purpose = Purpose.REWORK,
    changes: Mapping[str, object] = NO_CHANGES,
) -> Decision:
    """Begin another round on the branch of an open pull request, or ask a person after too many of them."""
    rounds = record.rounds + 1
    if rounds <= snapshot.policy.max_rounds:
        routed, effects = begin(record, snapshot, why, purpose=purpose, rounds=rounds, changes=changes)
        return Decision(why, routed, (*effects, *show_soon(routed, snapshot)))
    stuck = (
        f"{why} But there were {record.rounds} rounds since a person last set the task going, as many as are allowed. "
        "A person with write access says `/retry` for more of them, or takes over."
    )
    parked = record.advance(Trigger.PARK, stuck, **{"merge": None, "purpose": purpose, **changes})
    call = AddComment(task=record.task, key=f"rounds-{record.attempt}", body=stuck)
    return Decision("there were too many rounds", parked, (*SHOW, call))


def resume(record: TaskRecord, snapshot: Snapshot, why: str) -> Decision:
    """Go on with what a task was about when it stopped: another attempt at the same text.

    What people said in a review is met by rework alone, and a mention by no agent that only reads.
    """
    elsewhere = (Kind.REVIEW, Kind.MENTION) if record.purpose is Purpose.REVIEW else (Kind.REVIEW,)
    unmet = any(one.kind in elsewhere for one in waiting(record.instructions))
    purpose = Purpose.REWORK if unmet and record.pull and not record.pull_closed else record.purpose
    routed, effects = begin(record, snapshot, why, purpose=purpose)
    return Decision(why, routed, (*effects, *show_soon(routed, snapshot)))


def show_soon(record: TaskRecord, snapshot: Snapshot) -> tuple[Effect, ...]:
    """Show the status a little later, for it is another one by then where a runner is free; what is parked, at once."""
    if record.status is not Status.ROUTED:
        return SHOW
    return (Send(event=Refresh(task=record.task), delay=snapshot.policy.settle),)


def keep_said(said: tuple[tuple[Instruction, str], ...]) -> tuple[Effect, ...]:
    """Keep the texts of instructions where a run finds them by their digests."""
    return tuple(KeepText(digest=one.digest, title="", body=text) for one, text in said if one.digest)


def resumption(record: TaskRecord) -> tuple[Effect, ...]:
    """Let a task go on with its parent, which did so while the task's run was still coming to its end."""
    if not record.goes_on or record.parent is None:
        return ()
    return (Send(event=ParentSaid(task=record.task, parent=record.parent, word="resume")),)


def drop_unfinished(record: TaskRecord) -> tuple[Effect, ...]:
    """Remove what an earlier run pushed of its unfinished work; what is in the pull request was removed with that."""
    left = record.unfinished
    is_delivered = left is not None and left.sha == record.head_sha and record.pull is not None
    return (DeleteRef(ref=run_ref(left.run_id)),) if left and not is_delivered else ()
