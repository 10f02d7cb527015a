"""Getting a pull request merged: by whom it is wished for, what it waits for, and how it is done."""

from app.domain.effects import Decision, Effect, MergePull, Send, UpdateBranch, UpsertComment, nothing
from app.domain.events import PullDue, PullMerged
from app.domain.facts import Actor, MergeView
from app.domain.jobs import Purpose
from app.domain.labels import AUTOMERGE
from app.domain.powers import Power, refusal
from app.domain.record import MergeWish, TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.starting import rework
from app.domain.task import Status
from app.domain.text import one_line

MOST_LOOKS = 6
"""How often GitHub is asked again while it has not worked out whether a pull request merges."""
_MERGES = ("clean", "has_hooks")
_WAITS = {
    "blocked": "GitHub does not let it be merged yet: a rule asks for reviews or checks that are missing.",
    "unstable": "Checks are under way or have failed.",
    "draft": "The pull request is a draft.",
}


def wish(record: TaskRecord, actor: Actor, snapshot: Snapshot, *, wanted: bool) -> Decision:
    """Follow the label that asks for a merge, put on or taken off by somebody who may have merges done."""
    by = one_line(actor.login)
    refused = refusal(Power.MERGE, actor, snapshot.standing, snapshot.policy)
    if refused is not None:
        notice = f"`{by}` changed the label `{AUTOMERGE}`, which does nothing: {refused}."
        return Decision(refused, record.change(notice=notice), (UpsertComment(),))
    if not wanted:
        return Decision("no merge is wished for any more", record.change(merge=None), (UpsertComment(),))
    look: tuple[Effect, ...] = (Send(event=PullDue(task=record.task)),) if record.status is Status.IN_REVIEW else ()
    wished = record.change(merge=MergeWish(by=by, waits="It is merged once it is in review, approved and green."))
    return Decision(f"`{by}` wants the pull request merged", wished, (*look, UpsertComment()))


def look_again(event: PullDue, snapshot: Snapshot) -> Decision:
    """Ask once more, ever later, what GitHub has not worked out yet."""
    if event.look >= MOST_LOOKS:
        return nothing("GitHub does not say whether the pull request merges")
    again = event.model_copy(update={"look": event.look + 1})
    look = Send(event=again, delay=wait(again.look, snapshot))
    return Decision("GitHub works out whether the pull request merges", effects=(look,))


def wait(look: int, snapshot: Snapshot) -> float:
    """Return the seconds until GitHub may know whether a pull request merges."""
    return float(max(snapshot.policy.list_lag, 0.1) * 2**look)


def merge(record: TaskRecord, wanted: MergeWish, view: MergeView, event: PullDue, snapshot: Snapshot) -> Decision:
    """Merge, bring the branch up to date first, or say what the merge waits for."""
    if view.state == "dirty":
        return resolve_conflict(record, snapshot)
    waits = _waits_for(view)
    if waits is not None:
        return _keep_waiting(record, wanted, waits)
    assert record.pull is not None
    if view.state == "behind" and not view.has_queue:
        update = UpdateBranch(pull=record.pull, sha=view.head_sha)
        return _keep_waiting(record, wanted, "Its branch is brought up to date first.", update)
    if not view.has_queue and view.state not in _MERGES:
        return look_again(event, snapshot) if view.state == "unknown" else _keep_waiting(record, wanted, _say(view))
    method = snapshot.policy.merge_method
    chosen = method if method in view.methods or not view.methods else view.methods[0]
    asked = MergePull(
        pull=record.pull, sha=view.head_sha, method=chosen, queue=view.node_id if view.has_queue else None
    )
    merged = PullMerged(task=record.task, pull=record.pull, branch=record.branch)
    after = UpsertComment() if view.has_queue else Send(event=merged)
    return Decision("GitHub lets the pull request be merged", record, (asked, after))


def resolve_conflict(record: TaskRecord, snapshot: Snapshot) -> Decision:
    """Have the base branch brought in by a run, whose agent resolves what conflicts."""
    base = record.task.repository.default_branch
    why = f"Pull request #{record.pull} conflicts with `{base}`, so the agent resolves that."
    return rework(record, snapshot, why, purpose=Purpose.REBASE)


def _waits_for(view: MergeView) -> str | None:
    """Say what people have to do first, None if nothing."""
    if view.queued:
        return "It is in the merge queue."
    if view.is_draft:
        return _WAITS["draft"]
    if view.decision == "changes_requested":
        return "Changes are requested in a review."
    if view.decision == "review_required":
        return "It waits for an approving review."
    return "Checks are under way or have failed." if view.state == "unstable" else None


def _say(view: MergeView) -> str:
    return _WAITS.get(view.state, f"GitHub says `{one_line(view.state, 30)}`.")


def _keep_waiting(record: TaskRecord, wanted: MergeWish, waits: str, *effects: Effect) -> Decision:
    if wanted.waits == waits and not effects:
        return nothing(waits)
    return Decision(waits, record.change(merge=MergeWish(by=wanted.by, waits=waits)), (*effects, UpsertComment()))
