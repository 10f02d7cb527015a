"""What facts about an issue and its pull request mean for the task, whether a webhook tells them or a look at GitHub.

Each function returns None where the fact changes nothing (any more), so that telling it again does no harm.
"""

from datetime import datetime, timedelta

from app.domain.admission_events import LocksKept
from app.domain.effects import (
    AddComment,
    CloseIssue,
    Decision,
    DeleteRef,
    Effect,
    Enqueue,
    Send,
    StopRun,
    Tell,
    UpsertComment,
)
from app.domain.events import PullDue, SlotFreed
from app.domain.facts import CutOff, Issue, Pull
from app.domain.grants import Stop
from app.domain.instructions import Instruction, for_now
from app.domain.jobs import Purpose, cleanup_job
from app.domain.labels import is_same_label
from app.domain.names import digest_of
from app.domain.record import TaskRecord
from app.domain.strategies.starting import SHOW, drop_unfinished
from app.domain.task import AT_WORK, Status, Trigger, can

SOMEBODY = "somebody"
ENDS_WITHIN = timedelta(minutes=20)
"""How long a run that was told to stop may take, with a push that is tried for a quarter of an hour."""

_CUT_OFF = {
    CutOff.ARCHIVED: "The repository was archived, so the work was stopped.",
    CutOff.SUSPENDED: "The App's installation was suspended, so the work was stopped.",
    CutOff.REMOVED: "The App was removed from the repository, so the work was stopped.",
    CutOff.GONE: "The repository was deleted, so the task ends.",
}


def again(trigger: str) -> str:
    """Say how a person has the task taken up again."""
    label = f"the label `{trigger}`"
    return f"To have Orch work on it again, a person with write access takes {label} off and puts it on again."


def stop(record: TaskRecord, how: Stop = Stop.DROP) -> tuple[Effect, ...]:
    """List what ends the work on a task: its run, and its place among those that run or wait."""
    holds = record.status in (*AT_WORK, Status.BLOCKED) and record.job_id
    return (
        *_stop_run(record, how),
        *((Send(event=SlotFreed(job_id=record.job_id)),) if holds and record.job_id else ()),
    )


def _stop_run(record: TaskRecord, how: Stop = Stop.DROP) -> tuple[Effect, ...]:
    """Stop the current run, or tell one that comes to its end anyhow to do so in this way."""
    run_id = record.run_id or record.stopping
    return (StopRun(run_id=run_id, how=how),) if run_id else ()


def stopped(record: TaskRecord) -> dict[str, object]:
    """Return what changes in the record of a task whose run is told to stop; no merge is wished for any more."""
    stopping = record.run_id or record.stopping
    return {"run_id": None, "stopping": stopping, "stop_keeps": False, "halted": False, "merge": None}


def must_have_ended(record: TaskRecord, now: datetime) -> bool:
    """Say whether a run that was told to stop has had all the time for it: the end of a lost one is never told of."""
    return record.stopping is None or (record.since is not None and now - record.since > ENDS_WITHIN)


def withdrawn(record: TaskRecord, issue: Issue, trigger: str, by: str = SOMEBODY) -> Decision | None:
    """Pause a task whose trigger is off; its branch and pull request stay."""
    trigger = record.label or trigger
    if has_label(issue, trigger) or not can(record.status, Trigger.PAUSE):
        return None
    why = (
        f"{_name(by)} took the label `{trigger}` off, so Orch stopped.{_left(record)} "
        f"To go on, a person with write access puts the label `{trigger}` on again."
    )
    paused = record.advance(Trigger.PAUSE, why, **stopped(record))
    return Decision("the trigger was taken off", paused, (*stop(record), *SHOW))


def closed(record: TaskRecord, issue: Issue, by: str = SOMEBODY) -> Decision | None:
    """End a task whose issue was closed by others than Orch: done if it was completed, else cancelled."""
    if issue.is_open or not can(record.status, Trigger.CANCEL):
        return None
    completed = issue.state_reason in ("completed", None)
    how = "as completed" if completed else f"as {issue.state_reason}".replace("_", " ")
    left = f" Pull request #{record.pull} stays open: merge or close it yourself." if has_open_pull(record) else ""
    why = f"{_name(by)} closed the issue {how}, so the task ends.{left} To have it taken up again, reopen the issue."
    trigger = Trigger.COMPLETE if completed else Trigger.CANCEL
    ended = record.advance(trigger, why, **stopped(record))
    return Decision(f"the issue was closed {how}", ended, (*stop(record), *tidy(record), *SHOW))


def finish_merged(record: TaskRecord, pull: int) -> Decision:
    """Close the issue, remove what is left over, and stop what still runs."""
    why = f"Pull request #{pull} was merged."
    done = record.advance(Trigger.MERGE, why, pull=pull, pull_closed=False, **stopped(record))
    freed = (Send(event=SlotFreed(job_id=record.job_id)),) if record.job_id else ()
    left_over = (CloseIssue(), *_drop_branch(record), *tidy(record))
    return Decision(f"pull request #{pull} was merged", done, (*_stop_run(record), *freed, *left_over, *SHOW))


def merged(record: TaskRecord, pull: Pull | None) -> Decision | None:
    """Finish a task whose pull request is merged, unless that was before its issue was reopened."""
    if pull is None or not pull.merged or pull.number in record.merged_before or not can(record.status, Trigger.MERGE):
        return None
    return finish_merged(record, pull.number)


def reviewed_again(record: TaskRecord, pull: Pull | None, digest: str) -> Decision | None:
    """Let the open pull request of a paused task be reviewed again, if the text it is for is still the same."""
    if record.status is not Status.PAUSED or pull is None or not pull.is_open or digest != record.admitted:
        return None
    why = f"Pull request #{pull.number} waits for review."
    return Decision("the review goes on", record.advance(Trigger.REVIEW, why, edited=False, cut_off=None), SHOW)


def reopened(record: TaskRecord, issue: Issue, pull: Pull | None, trigger: str) -> Decision | None:
    """Let a finished task wait for a person again; after a merge, the next attempt begins a branch of its own."""
    if not issue.is_open or not can(record.status, Trigger.REOPEN):
        return None
    is_merged = pull is not None and pull.merged
    behind = _behind(record, pull.number) if pull and is_merged else {}
    waiting = record.advance(Trigger.REOPEN, f"The issue was reopened. {again(trigger)}", merge=None, **behind)
    call = AddComment(task=record.task, key=f"reopened-{record.attempt}", body=waiting.why)
    left_over = _drop_branch(record) if is_merged else ()
    return Decision("the issue was reopened", waiting, (*left_over, *SHOW, call))


def merged_late(record: TaskRecord, pull: int) -> Decision | None:
    """Note that the pull request of a cancelled task was merged, so that a later attempt begins a branch of its own."""
    if record.status is not Status.CANCELLED:
        return None
    noted = record.change(**_behind(record, pull))
    return Decision("the pull request of a cancelled task was merged", noted, (*_drop_branch(record), UpsertComment()))


def _drop_branch(record: TaskRecord) -> tuple[Effect, ...]:
    """Remove a branch that is merged: where it stays, the next attempt cannot make one of that name."""
    return (DeleteRef(ref=f"refs/heads/{record.branch}"),)


def _behind(record: TaskRecord, pull: int) -> dict[str, object]:
    """Return what changes in the record of a task whose pull request is behind it, merged."""
    merged_before = tuple(dict.fromkeys((*record.merged_before, pull)))
    return {"pull": None, "pull_closed": False, "head_sha": None, "own_head": True, "merged_before": merged_before}


def edited(record: TaskRecord, issue: Issue) -> Decision | None:
    """Say whether the issue's text is still the one that Orch follows."""
    differs = digest_of(issue.title, issue.body) != record.admitted
    if record.status.is_final or differs == record.edited:
        return None
    why = "the text was edited and is not followed" if differs else "the text is again the one that is followed"
    return Decision(why, record.change(edited=differs), (UpsertComment(),))


def gone(record: TaskRecord, why: str, *told: Effect) -> Decision | None:
    """End a task whose issue or repository is not there any more; nothing is written there."""
    if not can(record.status, Trigger.CANCEL):
        return None
    ended = record.advance(Trigger.CANCEL, why, **stopped(record), cut_off=CutOff.GONE, shown=(Status.CANCELLED,))
    return Decision(why, ended, (*stop(record), *tidy(record), *told))


def cut_off(record: TaskRecord, because: CutOff) -> Decision | None:
    """Stop the work where Orch cannot write any more, and write nothing."""
    if because is CutOff.GONE:
        return gone(record, _CUT_OFF[because])
    if record.status not in (*AT_WORK, Status.BLOCKED):
        return None
    paused = record.advance(Trigger.PAUSE, _CUT_OFF[because], **stopped(record), cut_off=because)
    return Decision(paused.why, paused, stop(record))


def pull_followed(
    record: TaskRecord, pull: Pull, trigger: str, by: str = SOMEBODY, *, by_orch: bool = False
) -> Decision | None:
    """Follow an unmerged pull request of the task: closed, reopened, or with another head than Orch knows of.

    `by_orch` says that GitHub made the head at Orch's wish, by merging the base branch into it.
    """
    if by_orch and pull.is_open and not record.status.is_final and pull.head_sha not in record.own_heads:
        updated = record.change(head_sha=pull.head_sha, own_head=True, notice="")
        look = (Send(event=PullDue(task=record.task)),) if record.merge else ()
        return Decision("the branch was brought up to date", updated, (*look, UpsertComment()))
    if pull.merged or record.cut_off or record.pull not in (None, pull.number):
        return None
    return (
        _pushed(record, pull, by) or _pull_open(record, pull) if pull.is_open else _pull_closed(record, pull, trigger)
    )


def _pull_closed(record: TaskRecord, pull: Pull, trigger: str) -> Decision | None:
    if record.pull_closed:
        return None
    known: dict[str, object] = {"pull": pull.number, "pull_closed": True}
    if record.status.is_final:  # a later attempt then opens another one
        return Decision("the pull request was closed", record.change(**known), (UpsertComment(),))
    fact = f"Pull request #{pull.number} was closed without a merge."
    if not can(record.status, Trigger.PAUSE):  # it waits for a person already
        return Decision("the pull request was closed", record.change(**known, notice=fact), (UpsertComment(),))
    why = (
        f"{fact} A person with write access must act: reopen it to have it reviewed, or take the label `{trigger}` off "
        "and put it on again for another attempt."
    )
    parked = record.advance(Trigger.PARK, why, **stopped(record), **known)
    call = AddComment(task=record.task, key=f"closed-{pull.number}-{record.attempt}", body=parked.why)
    return Decision("the pull request was closed", parked, (*stop(record), *SHOW, call))


def _pull_open(record: TaskRecord, pull: Pull) -> Decision | None:
    if not record.pull_closed:
        return None
    known: dict[str, object] = {"pull": pull.number, "pull_closed": False}
    if record.status is not Status.NEEDS_REVIEW:
        return Decision("the pull request was reopened", record.change(**known), (UpsertComment(),))
    why = f"Pull request #{pull.number} was reopened and waits for review."
    return Decision("the pull request was reopened", record.advance(Trigger.REVIEW, why, **known), SHOW)


def _pushed(record: TaskRecord, pull: Pull, by: str) -> Decision | None:
    """Take over a head that is not Orch's; one of an earlier run may be what GitHub shows for a moment."""
    if pull.head_sha in {record.head_sha, *record.own_heads} or record.status.is_final:
        return None
    notice = (
        f"{_name(by)} pushed to the branch `{record.branch}`. Orch keeps those commits: "
        "it builds on them and never force-pushes."
    )
    seen = record.change(head_sha=pull.head_sha, own_head=False, notice=notice)
    followed = _pull_open(seen, pull)
    if followed is None:
        return Decision("somebody pushed to the branch", seen, (UpsertComment(),))
    return followed


def has_label(issue: Issue, name: str) -> bool:
    """Say whether the label is on, whatever its capitals."""
    return any(is_same_label(label, name) for label in issue.labels)


def _left(record: TaskRecord) -> str:
    if has_open_pull(record):
        return f" Pull request #{record.pull} stays open."
    return f" The branch `{record.branch}` stays as it is." if record.head_sha else ""


def has_open_pull(record: TaskRecord) -> bool:
    """Say whether a pull request of the task is open, as far as known."""
    return record.pull is not None and not record.pull_closed


def holds_paths(record: TaskRecord) -> bool:
    """Say whether the paths that the task is expected to touch are its own: from its run until it is merged or ends.

    Those of a task that waits for them may be its own already: admission gives them before the task hears of it.
    """
    waits = record.status is Status.BLOCKED and record.job_id is not None
    at_work = waits or record.status in (*AT_WORK, Status.IN_REVIEW)
    return bool(record.locks) and (at_work or (has_open_pull(record) and not record.status.is_final))


def keep_paths(record: TaskRecord) -> Effect:
    """Tell admission that the task holds its paths."""
    return Send(event=LocksKept(task=record.task, paths=record.locks))


def tell(record: TaskRecord, *instructions: Instruction) -> tuple[Effect, ...]:
    """Have the current run tell its agent, as far as that can be told in the middle of a run.

    An agent that reviews changes nothing, so what is said meanwhile waits for the next run.
    """
    now = () if record.purpose is Purpose.REVIEW else for_now(instructions)
    return (Tell(run_id=record.run_id, instructions=now),) if record.run_id and now else ()


def tidy(record: TaskRecord) -> tuple[Effect, ...]:
    """Remove what a task leaves behind when it ends."""
    return (*drop_unfinished(record), Enqueue(job=cleanup_job(record.task, record.attempt)))


def _name(by: str) -> str:
    return "Somebody" if by == SOMEBODY else f"`{by}`"
