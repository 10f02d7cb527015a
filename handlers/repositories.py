"""What happens to whole repositories, told to their tasks."""

from itertools import islice

from app.domain import life
from app.domain.admission import Board
from app.domain.effects import CheckRepositories, Decision, ListRepositories, Send, nothing
from app.domain.events import (
    RepositoryArchived,
    RepositoryChanged,
    RepositoryDeleted,
    TaskCutOff,
    WorkCutOff,
)
from app.domain.facts import CutOff
from app.domain.jobs import Job
from app.domain.snapshot import Handler, Need, Snapshot

AT_ONCE = 90
"""A decision is one write to the store, which takes at most 100 keys."""


def repository_changed(event: RepositoryChanged, snapshot: Snapshot) -> Decision:
    """Look at the repository's tasks under its name of now."""
    found = CheckRepositories(repository_ids=(event.repository.id,))
    return Decision(f"the repository is {event.repository.full_name} now, and can be written to", effects=(found,))


def repository_archived(event: RepositoryArchived, snapshot: Snapshot) -> Decision:
    """Stop what runs or waits there."""
    one = event.repository
    stop = WorkCutOff(because=CutOff.ARCHIVED, installation_id=one.installation_id, repository_ids=(one.id,))
    return Decision(f"{one.full_name} was archived", effects=(Send(event=stop),))


def repository_deleted(event: RepositoryDeleted, snapshot: Snapshot) -> Decision:
    """End every task of the repository that the store knows."""
    open_tasks = (record.task for record in snapshot.tasks if not record.status.is_final)
    left = sorted((task for task in open_tasks if task.number > event.after), key=lambda task: task.number)
    told = tuple(Send(event=TaskCutOff(task=task, because=CutOff.GONE)) for task in left[:AT_ONCE])
    more = event.model_copy(update={"after": left[AT_ONCE - 1].number}) if len(left) > AT_ONCE else None
    why = f"{event.repository.full_name} was deleted with {len(left)} open tasks"
    return Decision(why, effects=(*told, *((Send(event=more),) if more else ())))


def work_cut_off(event: WorkCutOff, snapshot: Snapshot) -> Decision:
    """Tell the tasks that run or wait; each gives its slot back itself."""
    board = snapshot.board or Board()
    jobs = {name: one.job for name, one in board.waiting.items()} | {
        name: held.job for name, held in board.holding.items()
    }
    left = [job for name, job in sorted(jobs.items()) if name > event.after and _is_meant(event, job)]
    told = tuple(Send(event=TaskCutOff(task=job.task, because=event.because)) for job in islice(left, AT_ONCE))
    why = f"{len(left)} tasks are cut off: {event.because.value}"
    if len(left) > AT_ONCE:
        more = event.model_copy(update={"after": left[AT_ONCE - 1].id})
        return Decision(why, effects=(*told, Send(event=more)))
    return Decision(why, effects=(*told, _look(event)) if jobs else ())


def _look(event: WorkCutOff) -> CheckRepositories | ListRepositories:
    """Look whether Orch is cut off still: GitHub may tell of the end before it tells of the beginning."""
    if event.repository_ids is None:
        return ListRepositories(installation_id=event.installation_id)
    return CheckRepositories(repository_ids=event.repository_ids)


def _is_meant(event: WorkCutOff, job: Job) -> bool:
    repository = job.task.repository
    if event.repository_ids is None:
        return repository.installation_id == event.installation_id
    return repository.id in event.repository_ids


def task_cut_off(event: TaskCutOff, snapshot: Snapshot) -> Decision:
    """Stop the task without writing anything."""
    if snapshot.record is None:
        return nothing("there is no task")
    return life.cut_off(snapshot.record, event.because) or nothing("nothing is under way")


HANDLERS = (
    Handler(RepositoryChanged, frozenset(), repository_changed),
    Handler(RepositoryArchived, frozenset(), repository_archived),
    Handler(RepositoryDeleted, frozenset({Need.TASKS}), repository_deleted),
    Handler(WorkCutOff, frozenset({Need.BOARD}), work_cut_off),
    Handler(TaskCutOff, frozenset({Need.RECORD}), task_cut_off),
)
