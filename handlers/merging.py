"""Pull requests on their way into the base branch: conflicts, and merges that people wish for."""

from app.domain.effects import Decision, Send, UpdateBranch, nothing
from app.domain.events import BaseMoved, MergeAsked, PullDue, PullLabeled
from app.domain.facts import Pull
from app.domain.labels import AUTOMERGE, is_same_label
from app.domain.names import TaskRef, number_of_task
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies.merge import look_again, merge, resolve_conflict, wait, wish
from app.domain.task import Status

AT_ONCE = 90


def pull_labeled(event: PullLabeled, snapshot: Snapshot) -> Decision:
    """Tell the task whose pull request is to be merged, or is not any more."""
    number = number_of_task(event.head_branch, snapshot.branch_prefixes)
    if number is None or event.head_repository_id != event.repository.id:
        return nothing("the pull request is not Orch's")
    task = TaskRef(repository=event.repository, number=number)
    asked = MergeAsked(task=task, pull=event.number, actor=event.actor, wanted=event.on)
    return Decision(f"the label {event.label} was put on, or taken off", effects=(Send(event=asked),))


def not_automerge(event: PullLabeled, snapshot: Snapshot) -> str | None:
    """Skip other labels, and what Orch did itself."""
    if event.actor.id == snapshot.identity.bot_id:
        return "Orch changed the label itself"
    return None if is_same_label(event.label, AUTOMERGE) else f"the label {event.label} is nothing to Orch"


def merge_asked(event: MergeAsked, snapshot: Snapshot) -> Decision:
    """Remember or forget that somebody who may wants the merge."""
    record = snapshot.record
    if record is None or record.pull != event.pull or record.status.is_final:
        return nothing("the pull request is not that of an open task")
    on = snapshot.pull is not None and any(is_same_label(label, AUTOMERGE) for label in snapshot.pull.labels)
    if on != event.wanted:
        return nothing("the label was changed again since")
    return wish(record, event.actor, snapshot, wanted=event.wanted)


def base_moved(event: BaseMoved, snapshot: Snapshot) -> Decision:
    """Look at each pull request in review, a little later, when GitHub knows whether it still merges."""
    open_tasks = [one for one in snapshot.tasks if one.status is Status.IN_REVIEW and one.task.number > event.after]
    left = sorted(open_tasks, key=lambda one: one.task.number)
    told = tuple(
        Send(event=PullDue(task=one.task, update=one.parent is not None), delay=wait(0, snapshot))
        for one in left[:AT_ONCE]
    )
    more = event.model_copy(update={"after": left[AT_ONCE - 1].task.number}) if len(left) > AT_ONCE else None
    return Decision(f"{len(left)} pull requests may conflict", effects=(*told, *((Send(event=more),) if more else ())))


def pull_due(event: PullDue, snapshot: Snapshot) -> Decision:
    """Resolve conflicts, and merge what is wished for as soon as GitHub lets it be."""
    record, pull = snapshot.record, snapshot.pull
    if record is None or record.status is not Status.IN_REVIEW:
        return nothing("there is no pull request in review")
    if record.merge is not None and snapshot.merge is not None:
        return merge(record, record.merge, snapshot.merge, event, snapshot)
    if pull is None or not pull.is_open:
        return nothing("the pull request is not open")
    if pull.conflicts:
        return resolve_conflict(record, snapshot)
    if pull.mergeable is None:
        return look_again(event, snapshot)
    return _bring_in(pull) if event.update else nothing("the pull request merges, and nobody wants that yet")


def _bring_in(pull: Pull) -> Decision:
    """Have what was merged brought into a branch that is part of the same plan."""
    update = UpdateBranch(pull=pull.number, sha=pull.head_sha)
    return Decision("its siblings' work is brought in, and its checks run again", effects=(update,))


def _is_settled(event: PullDue, record: TaskRecord) -> bool:
    return record.status is not Status.IN_REVIEW


def _spares(event: PullDue, record: TaskRecord | None) -> frozenset[Need]:
    """Do without the pull request where the view of its merge says all of it."""
    return frozenset({Need.PULL}) if record is not None and record.merge is not None else frozenset()


HANDLERS = (
    Handler(PullLabeled, frozenset({Need.CONFIG}), pull_labeled, not_automerge),
    Handler(MergeAsked, frozenset({Need.RECORD, Need.STANDING, Need.PULL, Need.CONFIG}), merge_asked),
    Handler(BaseMoved, frozenset({Need.TASKS}), base_moved),
    Handler(
        PullDue,
        frozenset({Need.RECORD, Need.PULL, Need.MERGE, Need.CONFIG}),
        pull_due,
        settled=_is_settled,
        spares=_spares,
    ),
)
