"""What the result of an effect means for the record: facts are written down only after they were observed."""

from app.domain.effects import (
    AddComment,
    CreateChild,
    Effect,
    LinkChild,
    MergePull,
    MoveBranch,
    OpenPull,
    Send,
    SetLabels,
    UpdateBranch,
    UpsertComment,
)
from app.domain.errors import HeadMoved, Permanent
from app.domain.events import PullDue, SlotFreed
from app.domain.graph import Graph, Node
from app.domain.record import MergeWish, TaskRecord
from app.domain.task import Trigger, can
from app.domain.text import one_line, sentence

AFTER_PUSH = 15.0
"""Seconds until a pull request is looked at again whose head was another one."""
ESSENTIAL = (MoveBranch, OpenPull, CreateChild, LinkChild)


Made = int | str | Node | None
"""What an effect made: a number, a SHA, or a child."""


def absorb(record: TaskRecord, effect: Effect, made: Made) -> TaskRecord:
    """Return the record after an effect was performed.

    `made` is the number of the comment or pull request that it made, the SHA of the commit, or the child.
    """
    number, sha = made if isinstance(made, int) else None, made if isinstance(made, str) else None
    if isinstance(made, Node):
        return _with_child(record, made)
    match effect:
        case SetLabels():
            return record.change(shown=(record.status,))
        case UpsertComment():
            return record.change(comment_id=number)
        case MoveBranch():
            return _moved(record, effect.sha, sha or effect.sha)
        case OpenPull():
            return _opened(record, number)
        case _:
            return record


def refuse(record: TaskRecord, effect: Effect, error: Permanent) -> tuple[TaskRecord, tuple[Effect, ...]]:
    """Return the record, and what is to be done instead, after GitHub refused an effect for good.

    A refused display effect changes nothing: a comment that cannot be edited never fails a task. Nor does a merge that
    GitHub does not do (yet): it is wished for until it can be.
    """
    if isinstance(effect, MergePull):
        return _refuse_merge(record, error)
    if isinstance(effect, UpdateBranch):
        return _refuse_update(record, error), ()
    reason = str(error)
    if not isinstance(effect, ESSENTIAL) or not can(record.status, Trigger.PARK):
        return record, ()
    if isinstance(effect, CreateChild | LinkChild):
        record = _not_created(record)
    parked = record.advance(Trigger.PARK, f"{_refused(record, effect)} {one_line(reason, 500)}")
    call = AddComment(task=record.task, key=f"refused-{effect.type}-{record.attempt}", body=parked.why)
    freed = (Send(event=SlotFreed(job_id=record.job_id)),) if record.job_id else ()
    return parked, (*freed, SetLabels(), UpsertComment(), call)


def _opened(record: TaskRecord, pull: int | None) -> TaskRecord:
    if not can(record.status, Trigger.OPEN_PULL):
        return record.change(pull=pull, pull_closed=False)
    why = f"Pull request #{pull} waits for review."
    return record.advance(Trigger.OPEN_PULL, why, pull=pull, pull_closed=False)


def _refused(record: TaskRecord, effect: Effect) -> str:
    if not isinstance(effect, CreateChild | LinkChild) or record.plan is None:
        return "GitHub refused a step, so a person must act:"
    made = len(record.graph.nodes) if record.graph else 0
    return (
        f"Not all sub-issues could be created ({made} of {len(record.plan.kept)} are there; an issue has at most "
        "100, closed ones too, in at most 8 levels). `/approve` goes on with the rest. What GitHub said:"
    )


def _not_created(record: TaskRecord) -> TaskRecord:
    """Let the plan wait for approval again: what is there already is not created twice."""
    return record.change(plan=record.plan and record.plan.model_copy(update={"approved_by": ""}))


def _with_child(record: TaskRecord, made: Node) -> TaskRecord:
    """Add a child that was created, with what it waits for."""
    graph, plan = record.graph or Graph(), record.plan
    if any(node.key == made.key for node in graph.nodes):
        return record
    numbers = {node.key: node.number for node in graph.nodes}
    before = next((item.depends_on for item in plan.kept if item.key == made.key), ()) if plan else ()
    child = made.model_copy(update={"waits_for": tuple(f"#{numbers[key]}" for key in before if key in numbers)})
    return record.change(graph=graph.model_copy(update={"nodes": (*graph.nodes, child)}))


def _moved(record: TaskRecord, pushed: str, head: str) -> TaskRecord:
    """Write down where the branch is; a commit that was made anew is known by its new SHA alone from now on."""
    left = record.unfinished
    runs = [
        run.model_copy(update={"head_sha": head, "reason": run.reason.replace(pushed, head)})
        if run.head_sha == pushed
        else run
        for run in record.runs
    ]
    kept = left.model_copy(update={"sha": head}) if left and left.sha == pushed else left
    return record.change(head_sha=head, own_head=True, runs=tuple(runs), unfinished=kept)


def _refuse_update(record: TaskRecord, error: Permanent) -> TaskRecord:
    said = f"GitHub did not bring the base branch in: {sentence(str(error), 300)}"
    return record.change(notice=said, merge=record.merge and MergeWish(by=record.merge.by, waits=said))


def _refuse_merge(record: TaskRecord, error: Permanent) -> tuple[TaskRecord, tuple[Effect, ...]]:
    if record.merge is None:
        return record, (UpsertComment(),)  # and not what was to follow the merge
    again: tuple[Effect, ...] = ()
    waits = f"GitHub did not merge it: {sentence(str(error), 300)}"
    if isinstance(error, HeadMoved):
        again = (Send(event=PullDue(task=record.task), delay=AFTER_PUSH),)
        waits = "Somebody pushed meanwhile, so it is looked at again."
    kept = record.change(merge=MergeWish(by=record.merge.by, waits=waits))
    return kept, (*again, UpsertComment())
